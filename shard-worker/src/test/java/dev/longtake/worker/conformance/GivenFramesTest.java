package dev.longtake.worker.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.ByteString;
import dev.longtake.common.plan.ExecutionPlan;
import dev.longtake.v1.Ancestral;
import dev.longtake.v1.ClipGeometry;
import dev.longtake.v1.DecodedFrames;
import dev.longtake.v1.GivenFrames;
import dev.longtake.v1.Guidance;
import dev.longtake.v1.RectifiedFlow;
import dev.longtake.v1.RowCondition;
import dev.longtake.v1.SamplingTask;
import dev.longtake.v1.WorkOrder;
import dev.longtake.worker.order.ProtoTensors;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.TreeMap;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A clip that begins with frames of an earlier one, on the demo model: the same as the frame mask with these frames in the noise, for every
 * plan, and decoded from where the earlier one ended.
 */
class GivenFramesTest {
  private static final int FRAMES = 6;
  private static final int GIVEN = 3;
  private static final int CHANNELS = 4;
  private static final int HEIGHT = 4;
  private static final int WIDTH = 6;
  private static final List<Long> CLIP =
      List.of(1L, (long) CHANNELS, (long) FRAMES, (long) HEIGHT, (long) WIDTH);

  private static WorkOrder.Builder order(UnaryOperator<SamplingTask.Builder> change) {
    SamplingTask.Builder task =
        SamplingTask.newBuilder()
            .setGeometry(
                ClipGeometry.newBuilder()
                    .setLatentFrames(FRAMES)
                    .setLatentHeight(HEIGHT)
                    .setLatentWidth(WIDTH)
                    .setPixelHeight(HEIGHT * 8)
                    .setPixelWidth(WIDTH * 8)
                    .setPixelFrames(FRAMES)
                    .setFps(8))
            .addPrompts(
                RowCondition.newBuilder().setEmbedding(RandomForward.normal(new Random(3), 5, 64)))
            .setGuidance(Guidance.newBuilder().setStrength(3))
            // What it is beside given latents, so that the noise of later steps is the same.
            .setSeed(0)
            .addAllCapture(List.of("final", "z_in"));
    return WorkOrder.newBuilder().setSampling(change.apply(task));
  }

  private static SamplingTask.Builder schedule(SamplingTask.Builder task, boolean flow) {
    return flow
        ? task.setRectifiedFlow(RectifiedFlow.newBuilder().setSteps(5).setTimesteps(1000))
        : task.setAncestral(Ancestral.newBuilder().setSteps(5).setTimesteps(1000));
  }

  private static WorkOrder.Builder given(boolean flow, double editRatio) {
    return order(task ->
        schedule(task, flow)
            .setGivenFrames(
                GivenFrames.newBuilder()
                    .setEditRatio(editRatio)
                    .setLatents(
                        RandomForward.normal(new Random(4), 1, CHANNELS, GIVEN, HEIGHT, WIDTH))));
  }

  @ParameterizedTest
  @ValueSource(doubles = {0, 0.5})
  void shouldGiveTheBitsOfTheFrameMaskForEveryPlan(double editRatio) {
    for (boolean flow : new boolean[] {true, false}) {
      Map<String, Captured> expected;
      try (ThreadGang alone = new ThreadGang(GoldenFolders.demoModel(), 1, 1)) {
        expected = alone.run(masked(alone, flow, editRatio));
      }
      List<ExecutionPlan> plans = PlanMatrixTest.plans(PlanMatrixTest.demoProfile(), 2);
      int most = plans.stream().mapToInt(ExecutionPlan::workers).max().orElseThrow();
      try (ThreadGang gang = new ThreadGang(GoldenFolders.demoModel(), most, 1)) {
        for (ExecutionPlan plan : plans) {
          ShardedEqualityTest.assertSameBits(
              gang.run(given(flow, editRatio), plan), expected, plan.toString());
        }
      }
    }
  }

  /** The frame mask, and the noise of the seed with the given frames in it. */
  private static WorkOrder.Builder masked(ThreadGang alone, boolean flow, double editRatio) {
    WorkOrder.Builder plain = order(task -> schedule(task, flow));
    float[] start = Objects.requireNonNull(alone.run(plain).get("z_in/0")).values().clone();
    GivenFrames given = given(flow, editRatio).getSampling().getGivenFrames();
    float[] frames =
        ProtoTensors.floats(given.getLatents(), "given", 1, CHANNELS, GIVEN, HEIGHT, WIDTH);
    int pixels = HEIGHT * WIDTH;
    float[] mask = new float[FRAMES];
    for (int frame = 0; frame < FRAMES; frame++) {
      mask[frame] = frame < GIVEN ? (float) editRatio : 1;
    }
    for (int channel = 0; channel < CHANNELS; channel++) {
      System.arraycopy(
          frames, channel * GIVEN * pixels, start, channel * FRAMES * pixels, GIVEN * pixels);
    }
    return order(task ->
        schedule(task, flow)
            .setLatents(ProtoTensors.of(start, CLIP))
            .setFrameMask(ProtoTensors.of(mask, List.of(1L, (long) FRAMES))));
  }

  @Test
  void shouldDecodeEachFrameFromThereOnOnceWhateverThePlan() {
    WorkOrder.Builder order = given(/* flow= */ true, /* editRatio= */ 0);
    order.getSamplingBuilder().setDecode(true);
    List<ExecutionPlan> plans = PlanMatrixTest.plans(PlanMatrixTest.demoProfile(), 3);
    try (ThreadGang gang = new ThreadGang(GoldenFolders.demoModel(), 4, 1)) {
      gang.run(order, plans.getFirst());
      Map<Integer, ByteString> all = byFrame(gang.frames());
      assertThat(all).hasSize(FRAMES);
      order.getSamplingBuilder().setDecodeFrom(GIVEN);
      for (ExecutionPlan plan : plans) {
        if (plan.workers() <= 4) {
          gang.run(order, plan);
          assertThat(gang.frames()).as("%s", plan).hasSize(FRAMES - GIVEN);
          Map<Integer, ByteString> wanted = new TreeMap<>(all);
          wanted.keySet().removeIf(frame -> frame < GIVEN);
          assertThat(byFrame(gang.frames())).as("%s", plan).isEqualTo(wanted);
        }
      }
    }
  }

  private static Map<Integer, ByteString> byFrame(List<DecodedFrames> decoded) {
    Map<Integer, ByteString> frames = new TreeMap<>();
    decoded.forEach(frame -> frames.put(frame.getFirstFrame(), frame.getRgb()));
    return frames;
  }
}
