package dev.longtake.worker.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.ByteString;
import dev.longtake.common.plan.ExecutionPlan;
import dev.longtake.v1.DecodedFrames;
import dev.longtake.v1.DpmSolver;
import dev.longtake.v1.GivenFrames;
import dev.longtake.v1.Guidance;
import dev.longtake.v1.Preview;
import dev.longtake.v1.RectifiedFlow;
import dev.longtake.v1.SamplingTask;
import dev.longtake.v1.WorkOrder;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;

/** The demo model's previews: at the right steps, from one rank, the same bytes for every plan, and ever more like the final frame. */
class PreviewTest {
  private static final int FRAMES = 6;
  private static final int HEIGHT = 4;
  private static final int WIDTH = 6;
  private static final int STEPS = 7;

  private static WorkOrder.Builder order(UnaryOperator<SamplingTask.Builder> change) {
    SamplingTask.Builder task =
        SamplingTask.newBuilder()
            .setGeometry(RandomTasks.clip(FRAMES, HEIGHT, WIDTH))
            .addPrompts(RandomTasks.text(new Random(3), 5, 64))
            .setRectifiedFlow(RectifiedFlow.newBuilder().setSteps(STEPS).setTimesteps(1000))
            .setGuidance(Guidance.newBuilder().setStrength(3))
            .setSeed(5)
            .setPreviewEvery(2)
            .addCapture("final");
    return WorkOrder.newBuilder().setSampling(change.apply(task));
  }

  @Test
  void shouldComeFromOneRankWithTheSameBytesForEveryPlanAndChangeNoLatents() {
    List<ExecutionPlan> plans = PlanMatrixTest.plans(PlanMatrixTest.demoProfile(), 3);
    int most = plans.stream().mapToInt(ExecutionPlan::workers).max().orElseThrow();
    try (ThreadGang gang = new ThreadGang(GoldenFolders.demoModel(), most, 1)) {
      Map<String, Captured> without =
          gang.run(order(task -> task.setPreviewEvery(0)), plans.getFirst());
      assertThat(gang.previews()).isEmpty();
      gang.run(order(task -> task), plans.getFirst());
      List<Preview> expected = gang.previews();
      assertThat(expected).extracting(Preview::getStep).containsExactly(2, 4, 6);
      assertThat(expected)
          .allSatisfy(preview -> {
            assertThat(preview.getFrame()).isEqualTo(FRAMES / 2);
            assertThat(preview.getHeight()).isEqualTo(8 * HEIGHT);
            assertThat(preview.getWidth()).isEqualTo(8 * WIDTH);
            assertThat(preview.getRgb().size()).isEqualTo(3 * 64 * HEIGHT * WIDTH);
          });
      for (ExecutionPlan plan : plans) {
        Map<String, Captured> with = gang.run(order(task -> task), plan);
        assertThat(gang.previews()).as("%s", plan).isEqualTo(expected);
        ShardedEqualityTest.assertSameBits(with, without, plan.toString());
        assertThat(gang.activationBytes()).as("left behind, %s", plan).isZero();
      }
    }
  }

  @Test
  void shouldGetEverMoreLikeTheFinalFrameAndNotAfterTheLastStep() {
    for (boolean flow : new boolean[] {true, false}) {
      WorkOrder.Builder order = order(task -> task.setPreviewEvery(1).setDecode(true));
      if (!flow) {
        order
            .getSamplingBuilder()
            .setDpmSolver(DpmSolver.newBuilder().setSteps(STEPS).setTimesteps(1000));
      }
      try (ThreadGang alone = new ThreadGang(GoldenFolders.demoModel(), 1, 1)) {
        alone.run(order);
        assertThat(alone.previews()).hasSize(STEPS - 1);
        ByteString last =
            alone.frames().stream()
                .filter(frames -> frames.getFirstFrame() == FRAMES / 2)
                .map(DecodedFrames::getRgb)
                .findFirst()
                .orElseThrow();
        List<Double> differences =
            alone.previews().stream().map(shown -> difference(shown.getRgb(), last)).toList();
        assertThat(differences.getLast())
            .as("%s", differences)
            .isLessThan(differences.getFirst() / 2);
      }
    }
  }

  /** Mean difference of a byte. */
  private static double difference(ByteString one, ByteString other) {
    assertThat(one.size()).isEqualTo(other.size());
    long sum = 0;
    for (int i = 0; i < one.size(); i++) {
      sum += Math.abs(Byte.toUnsignedInt(one.byteAt(i)) - Byte.toUnsignedInt(other.byteAt(i)));
    }
    return (double) sum / one.size();
  }

  @Test
  void shouldShowTheMiddleOfWhatIsNewWhenAClipBeginsWithGivenFrames() {
    WorkOrder.Builder order =
        order(task ->
            task.setDecodeFrom(3)
                .setGivenFrames(
                    GivenFrames.newBuilder()
                        .setLatents(RandomForward.normal(new Random(4), 1, 4, 3, HEIGHT, WIDTH))));
    try (ThreadGang alone = new ThreadGang(GoldenFolders.demoModel(), 1, 1)) {
      alone.run(order);
      assertThat(alone.previews()).extracting(Preview::getFrame).containsExactly(4, 4, 4);
    }
  }
}
