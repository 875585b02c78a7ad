package dev.longtake.coordinator.jobs;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import org.junit.jupiter.api.Test;

final class StepClockTest {
  @Test
  void shouldForgetTheLoadingOfWeightsWhenThereIsASecondStep() {
    StepClock clock = new StepClock(1_000);

    assertThat(clock.remaining(9, 91_000)).isEqualTo(Duration.ofNanos(9 * 90_000));
    assertThat(clock.remaining(8, 92_000)).isEqualTo(Duration.ofNanos(8 * 1_000));
  }

  @Test
  void shouldTakeTheMedianWhenOneStepIsSlow() {
    StepClock clock = new StepClock(0);
    long now = 0;
    for (int step = 1; step <= 9; step++) {
      now += step == 5 ? 1_000_000 : 1_000;
      clock.remaining(100 - step, now);
    }

    assertThat(clock.remaining(90, now + 1_000)).isEqualTo(Duration.ofNanos(90 * 1_000));
    assertThat(clock.remaining(0, now + 2_000)).isZero();
  }

  @Test
  void shouldFollowWhenTheSpeedChanges() {
    StepClock clock = new StepClock(0);
    long now = 0;
    for (int step = 1; step <= 20; step++) {
      clock.remaining(100 - step, now += 1_000);
    }
    for (int step = 21; step <= 29; step++) {
      clock.remaining(100 - step, now += 5_000);
    }

    assertThat(clock.remaining(70, now + 5_000)).isEqualTo(Duration.ofNanos(70 * 5_000));
  }

  @Test
  void shouldLeaveTheFirstStepOutWhenAskedForTheMedian() {
    StepClock clock = new StepClock(0);
    clock.remaining(3, 90_000);
    assertThat(clock.medianStep()).isEmpty();

    clock.remaining(2, 91_000);
    clock.remaining(1, 98_000);
    clock.remaining(0, 100_000);

    assertThat(clock.medianStep()).hasValue(Duration.ofNanos(2_000));
  }
}
