package dev.longtake.worker.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.longtake.common.tensor.DType;
import dev.longtake.v1.ClipGeometry;
import dev.longtake.v1.Guidance;
import dev.longtake.v1.Precision;
import dev.longtake.v1.RectifiedFlow;
import dev.longtake.v1.RowCondition;
import dev.longtake.v1.SamplingTask;
import dev.longtake.v1.WorkOrder;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.cpu.CpuDevice;
import dev.longtake.worker.order.ProtoTensors;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.FieldSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The same bits for any number of workers, at sizes that nothing divides. */
class ShardedEqualityTest {
  /** Cases, and cases whose weights another class reads too. */
  static final List<String> MODELS = new ArrayList<>(ConformanceTest.MODELS);

  static {
    MODELS.add("dit3d_text_latte as Latte");
    MODELS.add("pixart as PixArt");
  }

  private static final String AS = " as ";
  private static final int[] RANKS = {2, 3, 5, 7};

  @TempDir Path temporary = Path.of("");

  private Path folder(String model) throws IOException {
    return folder(model, temporary);
  }

  /** The case's folder, or a copy with another class. */
  static Path folder(String model, Path temporary) throws IOException {
    int as = model.indexOf(AS);
    if (as < 0) {
      return GoldenCopy.ofFirstRun(model, temporary).folder();
    }
    GoldenCopy copy = GoldenCopy.of(model.substring(0, as), temporary);
    String architecture = model.substring(as + AS.length());
    copy.changeConfig(
        config -> config.getAsJsonObject("source").addProperty("class", architecture));
    return copy.folder();
  }

  static void assertSameBits(Map<String, Captured> ours, Map<String, Captured> alone, String what) {
    assertThat(ours.keySet()).as(what).isEqualTo(alone.keySet());
    alone.forEach((name, expected) -> {
      Captured captured = ours.get(name);
      assertThat(captured).as("%s, %s", what, name).isNotNull();
      if (captured != null) {
        assertThat(captured.shape()).as("%s, %s", what, name).isEqualTo(expected.shape());
        // Arrays of floats compare bit by bit for everything but NaN payloads.
        assertThat(captured.values()).as("%s, %s", what, name).isEqualTo(expected.values());
      }
    });
  }

  /** Runs orders on one rank and on gangs of every size; every captured tensor must be the same. */
  private static void assertSameOnAllGangs(Path folder, Map<String, WorkOrder.Builder> orders) {
    Map<String, Map<String, Captured>> expected = new LinkedHashMap<>();
    try (ThreadGang alone = new ThreadGang(folder, 1, 1)) {
      orders.forEach((what, order) -> {
        Map<String, Captured> captured = alone.run(order);
        assertThat(captured).as(what).containsKey("output").hasSizeGreaterThan(2);
        captured
            .values()
            .forEach(
                tensor -> assertThat(sum(tensor)).as("%s, %s", what, tensor.shape()).isFinite());
        expected.put(what, captured);
      });
    }
    for (int ranks : RANKS) {
      try (ThreadGang gang = new ThreadGang(folder, ranks, 1)) {
        orders.forEach((what, order) -> {
          assertSameBits(
              gang.run(order), expected.getOrDefault(what, Map.of()), what + ", ranks " + ranks);
          assertThat(gang.activationBytes()).as("left behind, %s", what).isZero();
        });
      }
    }
  }

  private static double sum(Captured tensor) {
    double sum = 0;
    for (float value : tensor.values()) {
      sum += value;
    }
    return sum;
  }

  @ParameterizedTest
  @FieldSource("MODELS")
  void shouldGiveTheSameBitsForAnyNumberOfRanks(String model) throws IOException {
    Path folder = folder(model);
    RandomForward forward = RandomForward.of(folder);
    Map<String, WorkOrder.Builder> orders = new LinkedHashMap<>();
    for (long seed = 1; seed <= 4; seed++) {
      orders.put("seed " + seed, forward.order(seed, Precision.PRECISION_F32));
    }
    orders.put("one frame and token", forward.tiny(7));
    assertSameOnAllGangs(folder, orders);
  }

  @ParameterizedTest
  @FieldSource("MODELS")
  void shouldGiveTheSameBitsInBfloat16(String model) throws IOException {
    try (Device device = CpuDevice.open(1, 1 << 20)) {
      assumeTrue(device.supports(DType.BF16), "this processor has no bfloat16 products");
    }
    Path folder = folder(model);
    RandomForward forward = RandomForward.of(folder);
    Map<String, WorkOrder.Builder> orders = new LinkedHashMap<>();
    for (long seed = 11; seed <= 12; seed++) {
      orders.put("seed " + seed, forward.order(seed, Precision.PRECISION_BF16));
    }
    assertSameOnAllGangs(folder, orders);
  }

  @ParameterizedTest
  @FieldSource("MODELS")
  void shouldGiveTheSameBitsForAnyNumberOfThreads(String model) throws IOException {
    Path folder = folder(model);
    RandomForward forward = RandomForward.of(folder);
    // What has no tap is computed in pieces at once, each with a thread of its own.
    RandomForward untapped = new RandomForward(forward.model(), List.of("output"));
    try (ThreadGang alone = new ThreadGang(folder, 1, 1);
        ThreadGang threads = new ThreadGang(folder, 1, 3);
        ThreadGang gang = new ThreadGang(folder, 2, 2)) {
      for (long seed = 21; seed <= 23; seed++) {
        for (RandomForward each : List.of(forward, untapped)) {
          WorkOrder.Builder order = each.order(seed, Precision.PRECISION_F32);
          Map<String, Captured> expected = alone.run(order);
          assertThat(expected).containsKey("output");
          assertSameBits(threads.run(order), expected, "3 threads, seed " + seed);
          assertSameBits(gang.run(order), expected, "2 ranks of 2 threads, seed " + seed);
        }
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {2, 3, 5})
  void shouldSampleTheSameLatentsForAnyNumberOfRanks(int ranks) {
    try (ThreadGang alone = new ThreadGang(GoldenFolders.golden("stdit_v3"), 1, 1);
        ThreadGang gang = new ThreadGang(GoldenFolders.golden("stdit_v3"), ranks, 1)) {
      for (long seed = 31; seed <= 33; seed++) {
        assertSameBits(gang.run(sampling(seed)), alone.run(sampling(seed)), "seed " + seed);
      }
    }
  }

  /** From a seed, with kept and edited frames, so that noise of every kind is drawn. */
  static WorkOrder.Builder sampling(long seed) {
    Random random = new Random(seed);
    int frames = 2 + random.nextInt(5);
    float[] mask = new float[2 * frames];
    for (int i = 0; i < mask.length; i++) {
      mask[i] = new float[] {0, 1, 0.4f}[random.nextInt(3)];
    }
    return WorkOrder.newBuilder()
        .setSampling(
            SamplingTask.newBuilder()
                .setGeometry(
                    ClipGeometry.newBuilder()
                        .setLatentFrames(frames)
                        .setLatentHeight(5)
                        .setLatentWidth(7)
                        .setPixelHeight(40)
                        .setPixelWidth(56)
                        .setPixelFrames(frames)
                        .setFps(8))
                .addPrompts(text(random))
                .addPrompts(text(random))
                .setRectifiedFlow(RectifiedFlow.newBuilder().setSteps(4).setTimesteps(1000))
                .setGuidance(Guidance.newBuilder().setStrength(7))
                .setSeed(seed)
                .setFrameMask(ProtoTensors.of(mask, List.of(2L, (long) frames)))
                .addAllCapture(List.of("final", "z_in", "guided_pred")));
  }

  private static RowCondition text(Random random) {
    return RowCondition.newBuilder()
        .setEmbedding(RandomForward.normal(random, 1 + random.nextInt(12), 32))
        .build();
  }
}
