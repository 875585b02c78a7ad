package dev.longtake.worker.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.v1.ClipGeometry;
import dev.longtake.v1.ForwardRow;
import dev.longtake.v1.ForwardTask;
import dev.longtake.v1.Precision;
import dev.longtake.v1.RectifiedFlow;
import dev.longtake.v1.RowCondition;
import dev.longtake.v1.SamplingTask;
import dev.longtake.v1.WorkOrder;
import dev.longtake.worker.order.ProtoTensors;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The same bits for any number of workers, at sizes that nothing divides. */
class ShardedEqualityTest {
  private static final List<String> TENSORS =
      List.of("x_embed", "spatial_blocks.0.out", "temporal_blocks.1.out", "final_layer", "output");

  /** Random sizes, texts and masks; the same for the same seed. */
  private static WorkOrder.Builder forward(long seed, Precision precision) {
    Random random = new Random(seed);
    int rows = 1 + random.nextInt(3);
    int frames = 1 + random.nextInt(7);
    int height = 1 + random.nextInt(9);
    int width = 1 + random.nextInt(9);
    ForwardTask.Builder task =
        ForwardTask.newBuilder()
            .setGeometry(geometry(frames, height, width))
            .setLatents(
                ProtoTensors.of(
                    normal(random, rows * 4 * frames * height * width),
                    List.of((long) rows, 4L, (long) frames, (long) height, (long) width)))
            .addAllCapture(TENSORS);
    for (int row = 0; row < rows; row++) {
      task.addRows(
          ForwardRow.newBuilder()
              .setTimestep(random.nextFloat() * 1000)
              .setFps(8 + random.nextInt(20))
              .setCondition(random.nextInt(4) == 0 ? nullText(3) : text(random)));
    }
    if (random.nextBoolean()) {
      boolean[] mask = new boolean[rows * frames];
      for (int i = 0; i < mask.length; i++) {
        mask[i] = random.nextBoolean();
      }
      task.setFrameMask(ProtoTensors.of(mask, List.of((long) rows, (long) frames)));
    }
    return WorkOrder.newBuilder().setPrecision(precision).setForward(task);
  }

  private static ClipGeometry geometry(int frames, int height, int width) {
    return ClipGeometry.newBuilder()
        .setLatentFrames(frames)
        .setLatentHeight(height)
        .setLatentWidth(width)
        .setPixelHeight(height * 8)
        .setPixelWidth(width * 8)
        .setPixelFrames(frames)
        .setFps(8)
        .build();
  }

  private static RowCondition text(Random random) {
    int tokens = 1 + random.nextInt(12);
    return RowCondition.newBuilder()
        .setEmbedding(ProtoTensors.of(normal(random, tokens * 32), List.of((long) tokens, 32L)))
        .build();
  }

  private static RowCondition nullText(int tokens) {
    return RowCondition.newBuilder().setNullTokens(tokens).build();
  }

  private static float[] normal(Random random, int count) {
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }

  private static void assertSameBits(Map<String, Captured> ours, Map<String, Captured> alone) {
    assertThat(ours.keySet()).isEqualTo(alone.keySet());
    alone.forEach((name, expected) -> {
      Captured captured = ours.get(name);
      assertThat(captured).as(name).isNotNull();
      if (captured != null) {
        assertThat(captured.shape()).as(name).isEqualTo(expected.shape());
        // Arrays of floats compare bit by bit for everything but NaN payloads.
        assertThat(captured.values()).as(name).isEqualTo(expected.values());
      }
    });
  }

  @ParameterizedTest
  @ValueSource(ints = {2, 3, 5, 7})
  void shouldGiveTheSameBitsForAnyNumberOfRanks(int ranks) {
    try (ThreadGang alone = new ThreadGang(GoldenFolders.golden("stdit_v3"), 1, 1);
        ThreadGang gang = new ThreadGang(GoldenFolders.golden("stdit_v3"), ranks, 1)) {
      for (long seed = 1; seed <= 12; seed++) {
        Map<String, Captured> expected = alone.run(forward(seed, Precision.PRECISION_F32));
        Map<String, Captured> ours = gang.run(forward(seed, Precision.PRECISION_F32));
        assertThat(expected.keySet()).as("seed %d", seed).containsAll(TENSORS);
        assertSameBits(ours, expected);
        assertThat(gang.activationBytes()).as("left behind, seed %d", seed).isZero();
      }
    }
  }

  @Test
  void shouldGiveTheSameBitsForAnyNumberOfThreads() {
    try (ThreadGang alone = new ThreadGang(GoldenFolders.golden("stdit_v3"), 1, 1);
        ThreadGang threads = new ThreadGang(GoldenFolders.golden("stdit_v3"), 2, 3)) {
      for (long seed = 21; seed <= 25; seed++) {
        assertSameBits(
            threads.run(forward(seed, Precision.PRECISION_F32)),
            alone.run(forward(seed, Precision.PRECISION_F32)));
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {2, 3, 5})
  void shouldSampleTheSameLatentsForAnyNumberOfRanks(int ranks) {
    try (ThreadGang alone = new ThreadGang(GoldenFolders.golden("stdit_v3"), 1, 1);
        ThreadGang gang = new ThreadGang(GoldenFolders.golden("stdit_v3"), ranks, 1)) {
      for (long seed = 31; seed <= 33; seed++) {
        assertSameBits(gang.run(sampling(seed)), alone.run(sampling(seed)));
      }
    }
  }

  /** From a seed, with kept and edited frames, so that noise of every kind is drawn. */
  private static WorkOrder.Builder sampling(long seed) {
    Random random = new Random(seed);
    int frames = 2 + random.nextInt(5);
    float[] mask = new float[2 * frames];
    for (int i = 0; i < mask.length; i++) {
      mask[i] = new float[] {0, 1, 0.4f}[random.nextInt(3)];
    }
    return WorkOrder.newBuilder()
        .setSampling(
            SamplingTask.newBuilder()
                .setGeometry(geometry(frames, 5, 7))
                .addPrompts(text(random))
                .addPrompts(text(random))
                .setSchedule(RectifiedFlow.newBuilder().setSteps(4).setTimesteps(1000))
                .setGuidance(7)
                .setSeed(seed)
                .setFrameMask(ProtoTensors.of(mask, List.of(2L, (long) frames)))
                .addAllCapture(List.of("final", "z_in", "v_pred")));
  }
}
