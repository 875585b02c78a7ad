package dev.longtake.coordinator.jobs;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import org.junit.jupiter.api.Test;

final class StepClockTest {
  @Test
  void shouldForgetTheLoadingOfWeightsWhenThereIsASecondStep() {
    StepClock clock = new StepClock(1_000);

    assertThat(clock.remaining(1, 10, 91_000)).isEqualTo(Duration.ofNanos(9 * 90_000));
    assertThat(clock.remaining(2, 10, 92_000)).isEqualTo(Duration.ofNanos(8 * 1_000));
  }

  @Test
  void shouldTakeTheMedianWhenOneStepIsSlow() {
    StepClock clock = new StepClock(0);
    long now = 0;
    for (int step = 1; step <= 9; step++) {
      now += step == 5 ? 1_000_000 : 1_000;
      clock.remaining(step, 100, now);
    }

    assertThat(clock.remaining(10, 100, now + 1_000)).isEqualTo(Duration.ofNanos(90 * 1_000));
    assertThat(clock.remaining(100, 100, now + 2_000)).isZero();
  }

  @Test
  void shouldFollowWhenTheSpeedChanges() {
    StepClock clock = new StepClock(0);
    long now = 0;
    for (int step = 1; step <= 20; step++) {
      clock.remaining(step, 100, now += 1_000);
    }
    for (int step = 21; step <= 29; step++) {
      clock.remaining(step, 100, now += 5_000);
    }

    assertThat(clock.remaining(30, 100, now + 5_000)).isEqualTo(Duration.ofNanos(70 * 5_000));
  }

  @Test
  void shouldLeaveTheFirstStepOutWhenAskedForTheMedian() {
    StepClock clock = new StepClock(0);
    clock.remaining(1, 4, 90_000);
    assertThat(clock.medianStep()).isEmpty();

    clock.remaining(2, 4, 91_000);
    clock.remaining(3, 4, 98_000);
    clock.remaining(4, 4, 100_000);

    assertThat(clock.medianStep()).hasValue(Duration.ofNanos(2_000));
  }
}
