package dev.longtake.coordinator.planner;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.ModelCard;
import dev.longtake.v1.Plan;
import org.junit.jupiter.api.Test;

final class PlannerTest {
  private static final ModelCard CARD =
      ModelCard.newBuilder().setSpatialCompression(8).setTemporalCompression(1).setFps(8).build();

  private static Plan plan(int width, int height, int frames, int workers) {
    return Planner.plan(
        CARD,
        GenerationRequest.newBuilder().setWidth(width).setHeight(height).setFrames(frames).build(),
        workers);
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
}
