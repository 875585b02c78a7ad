package dev.longtake.worker.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.checkpoint.SafetensorsFile;
import dev.longtake.v1.ClipGeometry;
import dev.longtake.v1.GivenFrames;
import dev.longtake.v1.Guidance;
import dev.longtake.v1.RectifiedFlow;
import dev.longtake.v1.RowCondition;
import dev.longtake.v1.SamplingTask;
import dev.longtake.v1.WorkOrder;
import dev.longtake.worker.order.ProtoTensors;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The demo model against its reference clips, from the same noise. */
class DemoModelTest {
  private static final double TOLERANCE = 1e-3;
  private static final int FRAMES = 16;
  private static final int CHANNELS = 4;
  private static final int SIDE = 8;
  private static final int STEPS = 30;

  @ParameterizedTest
  @ValueSource(
      strings = {
        "red_circle_right",
        "green_triangle_bouncing",
        "yellow_star_growing",
        "red_circle_right_extended"
      })
  void shouldReachTheReferenceLatents(String clip) {
    try (SafetensorsFile reference =
            SafetensorsFile.open(
                GoldenFolders.demoModel().resolve("reference/" + clip + ".safetensors"));
        ThreadGang gang = new ThreadGang(GoldenFolders.demoModel(), 2, 1)) {
      Map<String, Captured> ours = gang.run(order(reference));

      assertClose(ours, "final", floats(reference, "latents"));
      float[] steps = floats(reference, "step_latents");
      int size = steps.length / STEPS;
      for (int step = 0; step < STEPS; step++) {
        assertClose(
            ours, "z_out/" + step, Arrays.copyOfRange(steps, step * size, (step + 1) * size));
      }
    }
  }

  private static void assertClose(Map<String, Captured> ours, String name, float[] reference) {
    double[] expected = new double[reference.length];
    Arrays.setAll(expected, i -> reference[i]);
    Captured captured = ours.get(name);
    float[] values = captured == null ? new float[0] : captured.values();
    TensorCheck check = TensorCheck.compare(name, values, expected, TOLERANCE);
    assertThat(check.passed()).as("%s", check).isTrue();
  }

  private static WorkOrder.Builder order(SafetensorsFile reference) {
    SamplingTask.Builder task =
        SamplingTask.newBuilder()
            .setGeometry(
                ClipGeometry.newBuilder()
                    .setLatentFrames(FRAMES)
                    .setLatentHeight(SIDE)
                    .setLatentWidth(SIDE)
                    .setPixelHeight(SIDE * 8)
                    .setPixelWidth(SIDE * 8)
                    .setPixelFrames(FRAMES)
                    .setFps(8))
            .addPrompts(prompt(reference))
            .setRectifiedFlow(RectifiedFlow.newBuilder().setSteps(STEPS).setTimesteps(1000))
            .setGuidance(Guidance.newBuilder().setStrength(3))
            .addAllCapture(List.of("final", "z_out"));
    float[] start = floats(reference, "noise");
    if (reference.info("given_latents").isPresent()) {
      float[] given = floats(reference, "given_latents");
      long frames = given.length / (CHANNELS * SIDE * SIDE);
      task.setGivenFrames(
          GivenFrames.newBuilder()
              .setLatents(
                  ProtoTensors.of(
                      given, List.of(1L, (long) CHANNELS, frames, (long) SIDE, (long) SIDE))));
    }
    task.setLatents(
        ProtoTensors.of(
            start, List.of(1L, (long) CHANNELS, (long) FRAMES, (long) SIDE, (long) SIDE)));
    return WorkOrder.newBuilder().setSampling(task);
  }

  private static RowCondition prompt(SafetensorsFile reference) {
    MemorySegment mask = reference.bytes("attention_mask");
    int tokens = 0;
    while ((tokens + 1) * 8L <= mask.byteSize()
        && mask.get(ValueLayout.JAVA_LONG_UNALIGNED, tokens * 8L) != 0) {
      tokens++;
    }
    float[] embedding = floats(reference, "text_embedding");
    int channels = (int) (embedding.length / (mask.byteSize() / 8));
    return RowCondition.newBuilder()
        .setEmbedding(
            ProtoTensors.of(
                Arrays.copyOf(embedding, tokens * channels),
                List.of((long) tokens, (long) channels)))
        .build();
  }

  private static float[] floats(SafetensorsFile file, String name) {
    return file.bytes(name).toArray(ValueLayout.JAVA_FLOAT_UNALIGNED);
  }
}
