package dev.longtake.worker.engine.exec;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.withinPercentage;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.longtake.common.model.ModelFolder;
import dev.longtake.common.partition.Grain;
import dev.longtake.common.stepcache.Reusable;
import dev.longtake.common.stepcache.StepCacheMode;
import dev.longtake.common.tensor.DType;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.Patching;
import dev.longtake.worker.device.cpu.CpuDevice;
import dev.longtake.worker.engine.Exchange;
import dev.longtake.worker.engine.loading.OpenModel;
import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.model.PatchSize;
import dev.longtake.worker.engine.program.Program;
import dev.longtake.worker.engine.program.Sharding;
import dev.longtake.worker.engine.trace.RankTrace;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** What is planned must be what is then allocated. */
class MemoryPlanTest {
  private static Path golden(String name) {
    try {
      return Path.of(
          Objects.requireNonNull(MemoryPlanTest.class.getResource("/golden/" + name), name)
              .toURI());
    } catch (URISyntaxException e) {
      throw new AssertionError(e);
    }
  }

  /** Two texts of so many tokens, or of as many as the model has. */
  private static Condition condition(ModelDescription model, int tokens) {
    var text = model.text();
    var pooled = model.pooledText();
    TextRow row =
        text == null
            ? new TextRow.None()
            : new TextRow.Encoded(new float[tokens * text.channels()], tokens);
    Branch branch =
        new Branch(
            0,
            row,
            pooled == null ? null : new float[pooled.channels()],
            null,
            new Branch.Scalars(0, 0, 0, 0, 0, 0),
            row.tokens(),
            0);
    return new Condition(Collections.nCopies(2, branch), /* frameMasks= */ true);
  }

  @ParameterizedTest
  @CsvSource({
    "stdit_v3, 1",
    "stdit_v3, 3",
    "stdit_v1, 2",
    "pixart_sigma, 1",
    "march_token_concat, 2",
    "mmdit_v2_flux_fused, 1",
    "mmdit_v2_liger_unfused, 2",
    "dit_label_2d, 1",
    "diffusers_latte, 2"
  })
  void shouldCountWhatAJobAllocates(String golden, int ranks) {
    try (OpenModel model = OpenModel.open(ModelFolder.open(golden(golden)));
        Device device = CpuDevice.open(1, 1L << 30)) {
      ModelDescription description = model.description();
      check(model, device, Program.compile(description, ranks), ranks);
      // Everything that a step cache can keep; kinds of operations that a model has not cost
      // nothing.
      Map<Reusable, Integer> twos =
          Arrays.stream(Reusable.values()).collect(Collectors.toMap(kind -> kind, _ -> 2));
      for (StepCacheMode mode :
          List.of(new StepCacheMode.Broadcast(twos, 0, 1000), new StepCacheMode.FirstBlock(1, 2))) {
        Sharding whole = Sharding.sequence(ranks, description.blocks().size());
        Program keeping =
            Program.compile(description, new Sharding(ranks, whole.mode(), whole.blocks(), mode));
        check(model, device, keeping, ranks);
        assertThat(device.memory().usedBytesByTag().getOrDefault("step cache", 0L)).isZero();
      }
    }
  }

  private static void check(OpenModel model, Device device, Program program, int ranks) {
    PatchSize patch = model.description().patches().size();
    Geometry geometry =
        new Geometry(
            2,
            new Patching(
                4,
                4 * patch.height(),
                6 * patch.width(),
                patch.frames(),
                patch.height(),
                patch.width()),
            64,
            96,
            16,
            ranks - 1,
            ranks);
    var text = model.description().text();
    Condition condition = condition(model.description(), text == null ? 0 : text.maxTokens());
    MemoryPlan plan = MemoryPlan.of(program, DType.F32, geometry, condition, device.grain());

    try (Weights weights = Weights.load(device, model.weights(), program, DType.F32)) {
      // Packed layouts are padded to 64 columns, which these have not.
      assertThat(device.memory().usedBytesByTag().getOrDefault("weights", 0L))
          .isGreaterThanOrEqualTo(plan.weightBytes());
      long before = held(device);
      try (Network network =
          new Network(
              device,
              program,
              weights,
              geometry,
              condition,
              PreparedTexts.UNSHARED,
              Neighbours.sequence(Exchange.solo()),
              Tap.NONE,
              new RankTrace(1).lane(0))) {
        network.prepare();

        assertThat(plan.activationBytes()).isEqualTo(held(device) - before);
      }
      assertThat(plan.stagingBytes() > 0).isEqualTo(ranks > 1);
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"F32", "BF16"})
  void shouldCountTheWeightsOfAModelOfUsualWidths(DType type) {
    Path demo = Path.of(System.getProperty("longtake.root", ".."), "ops/demo-model");
    try (OpenModel model = OpenModel.open(ModelFolder.open(demo));
        Device device = CpuDevice.open(1, 1L << 30)) {
      assumeTrue(device.supports(type), "this processor has no products of this type");
      Program program = Program.compile(model.description(), 1);
      Geometry geometry =
          new Geometry(1, new Patching(1, 8, 8, 1, 2, 2), 64, 64, 1, /* rank= */ 0, 1);
      MemoryPlan plan =
          MemoryPlan.of(program, type, geometry, condition(model.description(), 8), device.grain());

      try (Weights _ = Weights.load(device, model.weights(), program, type)) {
        double loaded = (double) device.memory().usedBytesByTag().getOrDefault("weights", 0L);
        assertThat(loaded).isCloseTo((double) plan.weightBytes(), withinPercentage(2));
      }
    }
  }

  @Test
  void shouldNotNeedMuchMoreThanAllTokensTakeOnManyThreads() {
    Path demo = Path.of(System.getProperty("longtake.root", ".."), "ops/demo-model");
    try (OpenModel model = OpenModel.open(ModelFolder.open(demo))) {
      Program program = Program.compile(model.description(), 1);
      // Too few frames for a thread each, but enough patches.
      Geometry geometry =
          new Geometry(1, new Patching(15, 40, 40, 1, 2, 2), 320, 320, 15, /* rank= */ 0, 1);
      Condition condition = condition(model.description(), 8);
      long one = activationBytes(program, geometry, condition, new Grain(1, 1 << 20));
      for (int threads : new int[] {2, 8, 16, 64}) {
        assertThat(activationBytes(program, geometry, condition, new Grain(threads, 256)))
            .as("%d threads", threads)
            // A quarter of the threads may be without a piece, but not without memory for it.
            .isLessThanOrEqualTo(one * 4 / 3);
      }
    }
  }

  private static long activationBytes(
      Program program, Geometry geometry, Condition condition, Grain grain) {
    return MemoryPlan.of(program, DType.F32, geometry, condition, grain).activationBytes();
  }

  private static long held(Device device) {
    Map<String, Long> bytes = device.memory().usedBytesByTag();
    return bytes.entrySet().stream()
        .filter(entry -> !entry.getKey().equals("weights") && !entry.getKey().equals("scratch"))
        .mapToLong(Map.Entry::getValue)
        .sum();
  }
}
