package dev.longtake.worker.engine.reuse;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.stepcache.Reusable;
import dev.longtake.common.stepcache.StepCacheMode;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class ReuseScheduleTest {
  private static final int STEPS = 30;

  /** From pure noise to the clip in equal steps. */
  private static final List<Double> EVEN =
      IntStream.range(0, STEPS).mapToObj(step -> 1000 * (1 - step / (double) STEPS)).toList();

  private static ReuseSchedule published() {
    return new ReuseSchedule(
        new StepCacheMode.Broadcast(
            Map.of(Reusable.SPATIAL, 2, Reusable.TEMPORAL, 4, Reusable.CROSS, 6), 450, 930),
        EVEN);
  }

  private static List<Integer> fresh(ReuseSchedule schedule) {
    return IntStream.range(1, STEPS).filter(schedule::isFresh).boxed().toList();
  }

  private static List<Integer> checkpoints(ReuseSchedule schedule, int every) {
    return IntStream.range(1, STEPS)
        .filter(step -> schedule.isCheckpoint(step, every))
        .boxed()
        .toList();
  }

  @Test
  void shouldTakeOverWithinTheWindowAlone() {
    ReuseSchedule schedule = published();

    // The window 450 to 930 holds steps 3 to 16.
    assertThat(IntStream.range(0, STEPS).filter(step -> !schedule.at(step).reused().isEmpty()))
        .containsExactly(3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16);
    assertThat(schedule.at(4).reused()).containsExactly(Reusable.CROSS);
    assertThat(schedule.at(8).reused()).containsExactly(Reusable.CROSS);
    assertThat(schedule.at(6).reused()).containsExactly(Reusable.TEMPORAL);
  }

  @Test
  void shouldKeepWhatTheNextStepTakesOver() {
    ReuseSchedule schedule = published();

    for (int step = 0; step + 1 < STEPS; step++) {
      assertThat(schedule.at(step).kept()).isEqualTo(schedule.at(step + 1).reused());
    }
    assertThat(schedule.at(STEPS - 1).kept()).isEmpty();
  }

  @Test
  void shouldBeginWithStepsThatTakeNothingOver() {
    assertThat(fresh(published()))
        .containsExactly(1, 2, 12, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29);
  }

  @Test
  void shouldPutStatesOffUntilARunCanBeginThere() {
    assertThat(checkpoints(published(), 5)).containsExactly(12, 17, 20, 25);
    assertThat(checkpoints(ReuseSchedule.EXACT, 10)).containsExactly(10, 20);
    assertThat(checkpoints(published(), 0)).isEmpty();
  }

  @Test
  void shouldComputeStepsThatRefreshWhenTheFirstBlockDecides() {
    ReuseSchedule schedule = new ReuseSchedule(new StepCacheMode.FirstBlock(0.1, 8), EVEN);

    assertThat(schedule.at(7).isOpen()).isTrue();
    assertThat(schedule.at(8).isOpen()).isFalse();
    assertThat(fresh(schedule)).containsExactly(8, 16, 24);
    assertThat(fresh(new ReuseSchedule(new StepCacheMode.FirstBlock(0, 8), EVEN)))
        .hasSize(STEPS - 1);
  }
}
