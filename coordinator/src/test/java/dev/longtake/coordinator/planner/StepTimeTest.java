package dev.longtake.coordinator.planner;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.longtake.coordinator.planner.StepTime.Stage;
import dev.longtake.coordinator.planner.StepTime.Timing;
import org.junit.jupiter.api.Test;

class StepTimeTest {
  private static Timing equalStages(int stages, double seconds, int rows, int parts) {
    Stage[] work = new Stage[stages];
    java.util.Arrays.fill(work, new Stage(seconds, 0, 0));
    return StepTime.of(work, new double[stages - 1], 0, rows, parts);
  }

  @Test
  void shouldAddComputingAndExchangesWhenThereIsOnePart() {
    Timing timing = StepTime.of(new Stage[] {new Stage(3, 2, 10)}, new double[0], 0, 2, 1);

    assertThat(timing.seconds()).isEqualTo(5);
    assertThat(timing.exposed()).isEqualTo(2);
  }

  @Test
  void shouldHideExchangesWhenPartsTakeTurns() {
    Timing timing = StepTime.of(new Stage[] {new Stage(3, 2, 10)}, new double[0], 0, 2, 2);

    // All but one of 2 x 10 exchanges.
    assertThat(timing.seconds()).isCloseTo(3.1, within(1e-12));
    assertThat(timing.exposed()).isCloseTo(0.1, within(1e-12));
    Timing slowLink = StepTime.of(new Stage[] {new Stage(2, 3, 10)}, new double[0], 0, 2, 2);
    assertThat(slowLink.seconds()).isCloseTo(3.1, within(1e-12));
  }

  @Test
  void shouldFillThePipelineWhenThereAreStages() {
    // (S + m - 1) / m times a stage.
    assertThat(equalStages(2, 1, 2, 1).seconds()).isEqualTo(2);
    assertThat(equalStages(2, 1, 2, 2).seconds()).isEqualTo(1.5);
    assertThat(equalStages(4, 1, 2, 2).seconds()).isEqualTo(2.5);
    assertThat(equalStages(4, 1, 2, 2).period()).isEqualTo(1);
    assertThat(equalStages(4, 1, 2, 2).idle()).isEqualTo(1.5);
  }

  @Test
  void shouldWaitForTheLargerPartWhenPartsAreUnequal() {
    // Rows 2 and 1: two thirds through both stages, then a third of the slowest.
    assertThat(equalStages(2, 3, 3, 2).seconds()).isCloseTo(5, within(1e-12));
  }

  @Test
  void shouldWaitForBoundariesAndLatentsWhenThereAreStages() {
    Stage[] work = {new Stage(1, 0, 0), new Stage(1, 0, 0)};
    Timing timing = StepTime.of(work, new double[] {0.5}, 0.25, 2, 1);

    assertThat(timing.seconds()).isEqualTo(2.75);
    assertThat(timing.exposed()).isEqualTo(0.75);
  }
}
