package dev.longtake.worker.service;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.PriorityQueue;
import java.util.Queue;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** On a clock and a thread that the test moves. */
final class SelfCheckTest {
  private final List<String> faults = new ArrayList<>();
  private final PriorityQueue<Alarm> alarms = new PriorityQueue<>();
  private final Queue<Runnable> waiting = new ArrayDeque<>();
  private float @Nullable [] result = {1, -0.0f, Float.NaN};
  private @Nullable RuntimeException failure;
  private boolean busy;
  private int computations;
  private Duration now = Duration.ZERO;

  private record Alarm(Duration at, int number, Runnable task) implements Comparable<Alarm> {
    @Override
    public int compareTo(Alarm other) {
      int byTime = at.compareTo(other.at);
      return byTime == 0 ? Integer.compare(number, other.number) : byTime;
    }
  }

  private void start() {
    new SelfCheck(
            this::compute,
            () -> busy,
            faults::add,
            (delay, task) -> alarms.add(new Alarm(now.plus(delay), alarms.size(), task)),
            waiting::add)
        .start();
  }

  private float @Nullable [] compute() {
    computations++;
    if (failure != null) {
      throw failure;
    }
    return result == null ? null : result.clone();
  }

  /** What waits for the thread runs. */
  private void compute(int expected) {
    assertThat(waiting).hasSize(expected);
    while (!waiting.isEmpty()) {
      waiting.remove().run();
    }
  }

  private void advance(Duration by) {
    Duration end = now.plus(by);
    while (!alarms.isEmpty() && alarms.peek().at.compareTo(end) <= 0) {
      Alarm next = alarms.remove();
      now = next.at;
      next.task.run();
    }
    now = end;
  }

  @Test
  void shouldFindNothingWhenTheBitsAreThoseOfTheFirstTime() {
    start();
    compute(1);
    for (int round = 0; round < 3; round++) {
      advance(SelfCheck.PERIOD);
      compute(1);
    }
    assertThat(computations).isEqualTo(4);
    assertThat(faults).hasSize(4).containsOnly("");
  }

  @Test
  void shouldSayWhatIsWrongUntilACheckPasses() {
    start();
    compute(1);
    result = new float[] {1, 0, Float.NaN};
    advance(SelfCheck.PERIOD);
    compute(1);
    assertThat(faults.getLast()).contains("other bits", "value 1 of 3");

    failure = new LongtakeException(ErrorCode.INTERNAL, "the device is on fire");
    advance(SelfCheck.PERIOD);
    compute(1);
    assertThat(faults.getLast()).contains("failed", "on fire").hasLineCount(1);

    failure = null;
    result = new float[] {1, -0.0f, Float.NaN};
    advance(SelfCheck.PERIOD);
    compute(1);
    assertThat(faults.getLast()).isEmpty();
  }

  @Test
  void shouldSayThatACheckHangsAndTakeItsResultWhenItEndsAfterAll() {
    start();
    advance(SelfCheck.DEADLINE.minusMillis(1));
    assertThat(faults).isEmpty();
    advance(Duration.ofMillis(1));
    assertThat(faults).singleElement().asString().contains("not ended within 30 s");
    // No other check piles up behind it.
    advance(SelfCheck.PERIOD.multipliedBy(5));
    compute(1);
    assertThat(faults.getLast()).isEmpty();
    advance(SelfCheck.PERIOD);
    compute(1);
    assertThat(faults).hasSize(3);
  }

  @Test
  void shouldLeaveOrdersAlone() {
    busy = true;
    start();
    advance(SelfCheck.PERIOD.multipliedBy(3));
    compute(0);
    busy = false;
    advance(SelfCheck.PERIOD);
    compute(1);
    // An order came in between and has the device: no evidence of anything.
    result = null;
    advance(SelfCheck.PERIOD);
    compute(1);
    assertThat(faults).containsExactly("");
  }
}
