package dev.longtake.worker.order;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonParser;
import dev.longtake.common.model.DitConfig;
import dev.longtake.common.model.ModelFolder;
import dev.longtake.common.tensor.DType;
import dev.longtake.v1.AttentionProfile;
import dev.longtake.v1.AttentionProfile.Axis;
import dev.longtake.v1.BlockProfile;
import dev.longtake.v1.ModelProfile;
import dev.longtake.worker.engine.loading.OpenModel;
import dev.longtake.worker.engine.model.ModelCatalog;
import dev.longtake.worker.engine.program.Program;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ModelProfilesTest {
  private static Path golden(String name) {
    try {
      return Path.of(
          Objects.requireNonNull(ModelProfilesTest.class.getResource("/golden/" + name), name)
              .toURI());
    } catch (URISyntaxException e) {
      throw new AssertionError(e);
    }
  }

  private static ModelProfile profile(String golden) {
    try (OpenModel model = OpenModel.openUnchecked(ModelFolder.open(golden(golden)))) {
      return ModelProfiles.of(model.description());
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "diffusers_dit",
        "diffusers_latte",
        "diffusers_pixart_alpha",
        "diffusers_pixart_sigma",
        "dit3d_label",
        "dit3d_text_latte",
        "dit_label_2d",
        "latte_label",
        "latte_text",
        "march_adaln",
        "march_cross_attn",
        "march_token_concat",
        "mmdit_v2_flux_fused",
        "mmdit_v2_liger_unfused",
        "pixart",
        "pixart_alpha",
        "pixart_alpha_ms",
        "pixart_sigma",
        "pixart_sigma_ms",
        "stdit_v1",
        "stdit_v2",
        "stdit_v3",
        "stdit_v3_hd72"
      })
  void shouldCountEveryHeldParameterOnceWhenOfAnyFamily(String golden) {
    try (OpenModel model = OpenModel.openUnchecked(ModelFolder.open(golden(golden)))) {
      ModelProfile profile = ModelProfiles.of(model.description());
      Program program = Program.compile(model.description(), 1);

      long edges =
          profile.getFirstStageParameters()
              + profile.getLastStageParameters()
              + profile.getSharedParameters();
      long reducible = sum(profile, BlockProfile::getReducibleParameters);
      long exact = sum(profile, BlockProfile::getFloatParameters);
      // Layers of texts alone are read one at a time.
      long text =
          program.linears().stream()
              .filter(linear -> program.textLayers().contains(linear.layer()))
              .mapToLong(linear -> linear.outputColumns() * (linear.inputColumns() + 1L))
              .max()
              .orElse(0);
      assertThat(4 * (edges + reducible + exact))
          .isEqualTo(program.heldWeightBytes(DType.F32) + 4 * text);
      assertThat(4 * (edges + exact) + 2 * reducible)
          .isEqualTo(program.heldWeightBytes(DType.BF16) + 4 * text);
      assertThat(profile.getBlocksCount()).isEqualTo(model.description().blocks().size());
      assertThat(profile.getFirstStageParameters()).isPositive();
      assertThat(profile.getLastStageParameters()).isPositive();
      // There every block embeds timestep and class with layers of its own.
      assertThat(profile.getSharedParameters() == 0).isEqualTo(golden.equals("diffusers_dit"));
      assertThat(profile.getBlocksList()).allMatch(block -> block.getFlopsPerToken() > 0);
      assertThat(profile.getTextInSequence()).isEqualTo(model.description().textIsSequence());
    }
  }

  private static long sum(
      ModelProfile profile, java.util.function.ToLongFunction<BlockProfile> count) {
    return profile.getBlocksList().stream().mapToLong(count).sum();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "latte_label",
        "dit3d_text_latte",
        "pixart_sigma",
        "stdit_v1",
        "mmdit_v2_flux_fused"
      })
  void shouldGiveOneKindOneStructureWhenBlocksDiffer(String golden) {
    Map<String, BlockProfile> structures = new HashMap<>();
    for (BlockProfile block : profile(golden).getBlocksList()) {
      BlockProfile before = structures.putIfAbsent(block.getKind(), block);
      assertThat(before == null || before.equals(block)).as(block.getKind()).isTrue();
    }
    assertThat(structures.values().stream().map(b -> b.toBuilder().clearKind().build()).distinct())
        .as("blocks of the same structure have the same kind")
        .hasSize(structures.size());
  }

  @Test
  void shouldKnowTheBlocksOfStdit3() {
    ModelProfile profile = profile("stdit_v3");

    // C = 48, MLP width 192, patches of 1 x 2 x 2 of 4 latents, 8 output channels.
    assertThat(profile.getChannels()).isEqualTo(48);
    assertThat(profile.getHeads()).isEqualTo(4);
    assertThat(profile.getPredictionColumns()).isEqualTo(32);
    assertThat(profile.getTextChannels()).isEqualTo(32);
    assertThat(profile.getTextInSequence()).isFalse();
    assertThat(profile.getWholeColumns()).isZero();
    assertThat(profile.getPieceColumns()).isEqualTo(48 + 192);
    assertThat(profile.getHiddenColumns()).isZero();
    assertThat(profile.getFirstStageParameters()).isEqualTo(48 * 16 + 48);
    assertThat(profile.getLastStageParameters()).isEqualTo(32 * 48 + 32 + 2 * 48);
    assertThat(profile.getFirstStageFlopsPerToken()).isEqualTo(2 * 16 * 48);
    assertThat(profile.getLastStageFlopsPerToken()).isEqualTo(2 * 32 * 48);
    assertThat(profile.getBlocksList().stream().map(BlockProfile::getKind))
        .containsExactly("spatial_blocks", "temporal_blocks", "spatial_blocks", "temporal_blocks");
    BlockProfile temporal = profile.getBlocks(1);
    assertThat(temporal.getAttentionsList())
        .containsExactly(
            AttentionProfile.newBuilder()
                .setAxis(Axis.AXIS_TEMPORAL)
                .setKeyValueReduction(1)
                .build());
    assertThat(temporal.getTextAttentions()).isEqualTo(1);
    // qkv 3, proj 1, q 1, proj 1, fc1 4, fc2 4 times C x C; the text's keys and values are computed
    // once per job, by layers that are not held.
    assertThat(temporal.getReducibleParameters()).isEqualTo(14L * 48 * 48);
    // Their biases, the table of six rows, and norms of q and k with 12 columns.
    assertThat(temporal.getFloatParameters()).isEqualTo(11 * 48 + 6 * 48 + 2 * 12);
    assertThat(temporal.getFlopsPerToken()).isEqualTo(2L * 14 * 48 * 48);
  }

  @Test
  void shouldKnowTextInTheSequenceAndMlpBesideAttentionWhenMmdit() {
    ModelProfile profile = profile("mmdit_v2_flux_fused");
    int channels = profile.getChannels();

    assertThat(profile.getTextInSequence()).isTrue();
    assertThat(profile.getDropsIncompletePatches()).isTrue();
    assertThat(profile.getBlocksList().stream().map(BlockProfile::getKind).distinct())
        .containsExactly("double_blocks", "single_blocks");
    BlockProfile pair = profile.getBlocks(0);
    BlockProfile parallel = profile.getBlocks(profile.getBlocksCount() - 1);
    assertThat(List.of(pair, parallel))
        .allMatch(block -> block.getAttentions(0).getAxis() == Axis.AXIS_FULL);
    // A token goes through one of two equal streams.
    assertThat(pair.getFlopsPerToken()).isEqualTo(pair.getReducibleParameters());
    assertThat(profile.getHiddenColumns()).isGreaterThan(channels);
    assertThat(parallel.getFlopsPerToken()).isEqualTo(2 * parallel.getReducibleParameters());
  }

  @Test
  void shouldTellReducedKeysWhenPixartSigma() {
    assertThat(profile("pixart_sigma").getBlocksList())
        .anyMatch(block -> block.getAttentions(0).getKeyValueReduction() > 1)
        .anyMatch(block -> block.getAttentions(0).getKeyValueReduction() <= 1);
  }

  @Test
  void shouldCountTheParametersOfOpenSora12WhenAtFullSize() {
    DitConfig config =
        DitConfig.of(
            Path.of("config.json"),
            JsonParser.parseString(
                    """
                    {"architectures": ["STDiT3"], "hidden_size": 1152, "depth": 28, "num_heads": 16, "mlp_ratio": 4.0,
                     "in_channels": 4, "patch_size": [1, 2, 2], "caption_channels": 4096, "model_max_length": 300,
                     "pred_sigma": true, "qk_norm": true}
                    """)
                .getAsJsonObject());
    ModelProfile profile = ModelProfiles.of(ModelCatalog.describe(config, Set.of()).description());

    long blocks =
        sum(profile, BlockProfile::getReducibleParameters)
            + sum(profile, BlockProfile::getFloatParameters);
    // The paper's 1.1 B parameters: 56 blocks of 16 C^2 are 1.189 B, of which 2 C^2 each are not
    // held.
    assertThat(blocks).isBetween(1_040_000_000L, 1_043_000_000L);
    assertThat(profile.getBlocksCount()).isEqualTo(56);
    assertThat(profile.getPieceColumns()).isEqualTo(5 * 1152);
  }
}
