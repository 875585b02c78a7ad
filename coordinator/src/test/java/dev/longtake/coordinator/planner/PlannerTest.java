package dev.longtake.coordinator.planner;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.longtake.v1.BlockProfile;
import dev.longtake.v1.BlockRange;
import dev.longtake.v1.ClipGeometry;
import dev.longtake.v1.ModelProfile;
import dev.longtake.v1.Plan;
import dev.longtake.v1.Precision;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

final class PlannerTest {
  private static Workload workload(int width, int height, int frames) {
    return new Workload(
        ModelProfile.newBuilder()
            .addBlocks(BlockProfile.getDefaultInstance())
            .addBlocks(BlockProfile.getDefaultInstance())
            .build(),
        ClipGeometry.newBuilder()
            .setLatentWidth(width / 8)
            .setLatentHeight(height / 8)
            .setLatentFrames(frames)
            .build(),
        1,
        2,
        3,
        Precision.PRECISION_F32,
        false);
  }

  private static ClusterView cluster(int workers) {
    List<WorkerView> views =
        IntStream.range(0, workers)
            .mapToObj(i -> new WorkerView("w" + i, "host", 2, 1, 1 << 30, Optional.empty()))
            .toList();
    return new ClusterView(views, MeasuredLinks.of(views, List.of()));
  }

  private static Plan plan(int width, int height, int frames, int workers) {
    return Planner.plan(workload(width, height, frames), cluster(workers), 0).plan();
  }

  @Test
  void shouldUseEveryWorkerWhenAllGetAPart() {
    for (int workers = 1; workers <= 16; workers++) {
      assertThat(plan(64, 64, 16, workers).getSequenceRanks()).isEqualTo(workers);
    }
    assertThat(plan(64, 64, 1, 16).getSequenceRanks()).as("one frame, 16 patches").isEqualTo(16);
    assertThat(plan(16, 16, 7, 7).getSequenceRanks()).as("one patch, 7 frames").isEqualTo(7);
  }

  @Test
  void shouldLeaveWorkersOutWhenTheyWouldIdle() {
    Plan plan = plan(24, 16, 3, 5);

    assertThat(plan.getSequenceRanks()).isEqualTo(3);
    assertThat(plan.getReason())
        .isEqualTo(
            "3 of 5 idle workers share 3 latent frames of 2 patches; more would have nothing to"
                + " do");
  }

  @Test
  void shouldSaySoWhenThereIsOneWorker() {
    assertThat(plan(64, 64, 1, 1).getReason())
        .isEqualTo("one idle worker holds all 1 latent frame of 16 patches");
  }

  @Test
  void shouldTakeThePlanWhenItIsAskedFor() {
    Plan plan =
        Plan.newBuilder()
            .setSequenceRanks(1)
            .addStages(BlockRange.newBuilder().setStart(0).setEnd(1))
            .addStages(BlockRange.newBuilder().setStart(1).setEnd(2))
            .build();

    PlanChoice choice = Planner.forced(plan, workload(64, 64, 1), cluster(3));

    assertThat(choice.workerIds()).containsExactly("w0", "w1");
    assertThat(choice.plan().getPrediction().getJobsInFlight()).isEqualTo(2);
    assertThatThrownBy(() -> Planner.forced(plan, workload(64, 64, 1), cluster(1)))
        .hasMessageContaining("at most 1 workers, but it takes 2");
  }
}
