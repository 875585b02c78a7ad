package dev.longtake.worker.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.ByteString;
import dev.longtake.common.plan.ExecutionPlan;
import dev.longtake.v1.DecodedFrames;
import dev.longtake.v1.Guidance;
import dev.longtake.v1.RectifiedFlow;
import dev.longtake.v1.SamplingTask;
import dev.longtake.v1.WorkOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Frames decoded by all ranks of a plan, in whichever stage: each wanted one once, as one rank decodes them, and as many for each. */
class DecodingTest {
  /** More than the ranks of some plans and fewer than those of others, and a multiple of few. */
  private static final int FRAMES = 7;

  private static WorkOrder.Builder order(int decodeFrom) {
    return WorkOrder.newBuilder()
        .setSampling(
            SamplingTask.newBuilder()
                .setGeometry(RandomTasks.clip(FRAMES, 4, 6))
                .addPrompts(RandomTasks.text(new Random(3), 5, 64))
                .setRectifiedFlow(RectifiedFlow.newBuilder().setSteps(1).setTimesteps(1000))
                .setGuidance(Guidance.newBuilder().setStrength(3))
                .setSeed(5)
                .setDecode(true)
                .setDecodeFrom(decodeFrom));
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 2, FRAMES - 1})
  void shouldDecodeEachFrameOnceAndAsManyOnEveryRankWhateverThePlan(int decodeFrom) {
    List<ExecutionPlan> plans = PlanMatrixTest.plans(PlanMatrixTest.demoProfile(), 3);
    int most = plans.stream().mapToInt(ExecutionPlan::workers).max().orElseThrow();
    int wanted = FRAMES - decodeFrom;
    try (ThreadGang gang = new ThreadGang(GoldenFolders.demoModel(), most, 1)) {
      gang.run(order(0), plans.getFirst());
      Map<Integer, ByteString> expected = byFrame(gang.frames());
      assertThat(expected).hasSize(FRAMES);
      expected.keySet().removeIf(frame -> frame < decodeFrom);
      for (ExecutionPlan plan : plans) {
        gang.run(order(decodeFrom), plan);

        assertThat(gang.frames()).as("%s", plan).hasSize(wanted);
        assertThat(byFrame(gang.frames())).as("%s", plan).isEqualTo(expected);
        List<Integer> inOrder = new ArrayList<>();
        for (int rank = 0; rank < plan.workers(); rank++) {
          List<Integer> own = gang.framesOf(rank);
          assertThat(own.size())
              .as("rank %d of %s", rank, plan)
              .isBetween(wanted / plan.workers(), Math.ceilDiv(wanted, plan.workers()));
          inOrder.addAll(own);
        }
        assertThat(inOrder)
            .as("%s", plan)
            .isEqualTo(IntStream.range(decodeFrom, FRAMES).boxed().toList());
        assertThat(gang.activationBytes()).as("left behind, %s", plan).isZero();
      }
    }
  }

  private static Map<Integer, ByteString> byFrame(List<DecodedFrames> decoded) {
    Map<Integer, ByteString> frames = new TreeMap<>();
    decoded.forEach(frame -> frames.put(frame.getFirstFrame(), frame.getRgb()));
    return frames;
  }
}
