package dev.longtake.worker.engine.model;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonParser;
import dev.longtake.common.checkpoint.Piece;
import dev.longtake.common.model.DitConfig;
import java.nio.file.Path;
import java.util.Set;
import org.junit.jupiter.api.Test;

class LayoutsTest {
  private static WeightRules mmdit(Set<String> tensors) {
    return Layouts.mmdit(
        DitConfig.of(
            Path.of("config.json"),
            JsonParser.parseString("{\"model_type\": \"MMDiTModel\", \"hidden_size\": 48}")
                .getAsJsonObject()),
        tensors);
  }

  @Test
  void shouldTakeTheFirstRuleThatFitsTheWholeName() {
    WeightRules rules =
        new WeightRules()
            .rule("a\\.(\\d+)", WeightRules.whole("first.$1"))
            .rule("a\\..*", WeightRules.rows("second", 2, 5))
            .layer("b\\.(\\w)", WeightRules.whole("x.$1"), WeightRules.rows("y", 3, 7));

    assertThat(rules.pieces("a.12")).containsExactly(Piece.whole("first.12"));
    assertThat(rules.pieces("a.c")).containsExactly(Piece.rows("second", 2, 5));
    assertThat(rules.pieces("b.q.weight"))
        .containsExactly(Piece.whole("x.q.weight"), Piece.rows("y.weight", 3, 7));
    assertThat(rules.pieces("b.q.bias"))
        .containsExactly(Piece.whole("x.q.bias"), Piece.rows("y.bias", 3, 7));
    assertThat(rules.pieces("b.q.scale")).isEmpty();
    assertThat(rules.pieces("xa.12")).isEmpty();
    assertThat(rules.pieces("a.12x")).containsExactly(Piece.rows("second", 2, 5));
  }

  @Test
  void shouldJoinQueryKeyAndValueOfMarch2024() {
    WeightRules march = Layouts.march();

    assertThat(march.pieces("blocks.11.attn.qkv.weight"))
        .containsExactly(
            Piece.whole("blocks.11.attn.to_q.weight"),
            Piece.whole("blocks.11.attn.to_k.weight"),
            Piece.whole("blocks.11.attn.to_v.weight"));
    assertThat(march.pieces("blocks.0.attn.q_linear.bias"))
        .containsExactly(Piece.whole("blocks.0.attn.to_q.bias"));
    assertThat(march.pieces("blocks.0.attn.kv_linear.bias"))
        .containsExactly(
            Piece.whole("blocks.0.attn.to_k.bias"), Piece.whole("blocks.0.attn.to_v.bias"));
    assertThat(march.pieces("blocks.0.attn.proj.weight"))
        .containsExactly(Piece.whole("blocks.0.attn.to_out.0.weight"));
    assertThat(march.pieces("blocks.0.mlp.fc1.weight")).isEmpty();
  }

  @Test
  void shouldCutTheFusedLayerOfOpenSora2() {
    WeightRules fused = mmdit(Set.of("single_blocks.0.linear1.weight"));

    assertThat(fused.pieces("single_blocks.3.qkv.weight"))
        .containsExactly(Piece.rows("single_blocks.3.linear1.weight", 0, 144));
    assertThat(fused.pieces("single_blocks.3.mlp_in.bias"))
        .containsExactly(Piece.rows("single_blocks.3.linear1.bias", 144, Piece.ALL_ROWS));
    assertThat(fused.pieces("double_blocks.1.img_attn.qkv.weight")).isEmpty();
    assertThat(fused.pieces("single_blocks.3.linear2.weight")).isEmpty();
  }

  @Test
  void shouldJoinTheSeparateLayersOfOpenSora2() {
    WeightRules apart = mmdit(Set.of("single_blocks.0.q_proj.weight"));

    assertThat(apart.pieces("double_blocks.1.txt_attn.qkv.bias"))
        .containsExactly(
            Piece.whole("double_blocks.1.txt_attn.q_proj.bias"),
            Piece.whole("double_blocks.1.txt_attn.k_proj.bias"),
            Piece.whole("double_blocks.1.txt_attn.v_proj.bias"));
    assertThat(apart.pieces("single_blocks.0.qkv.weight"))
        .containsExactly(
            Piece.whole("single_blocks.0.q_proj.weight"),
            Piece.whole("single_blocks.0.k_proj.weight"),
            Piece.rows("single_blocks.0.v_mlp.weight", 0, 48));
    assertThat(apart.pieces("single_blocks.0.mlp_in.weight"))
        .containsExactly(Piece.rows("single_blocks.0.v_mlp.weight", 48, Piece.ALL_ROWS));
  }

  @Test
  void shouldNameNormsAndMlpsOfOpenSora2InBothLayouts() {
    for (Set<String> tensors : Set.of(Set.of("single_blocks.0.linear1.weight"), Set.<String>of())) {
      WeightRules rules = mmdit(tensors);

      assertThat(rules.pieces("double_blocks.0.img_attn.k_norm.weight"))
          .containsExactly(Piece.whole("double_blocks.0.img_attn.norm.key_norm.scale"));
      assertThat(rules.pieces("single_blocks.7.q_norm.weight"))
          .containsExactly(Piece.whole("single_blocks.7.norm.query_norm.scale"));
      assertThat(rules.pieces("double_blocks.0.txt_mlp.fc1.bias"))
          .containsExactly(Piece.whole("double_blocks.0.txt_mlp.0.bias"));
      assertThat(rules.pieces("double_blocks.0.txt_mlp.fc2.weight"))
          .containsExactly(Piece.whole("double_blocks.0.txt_mlp.2.weight"));
    }
  }
}
