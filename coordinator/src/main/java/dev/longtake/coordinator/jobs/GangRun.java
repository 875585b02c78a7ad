package dev.longtake.coordinator.jobs;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.v1.WorkEvent;
import dev.longtake.v1.WorkFinished;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.LongSupplier;

/**
 * The calls of all ranks of one job, started together and waited for together. When one fails, the others are stopped,
 * and the failure that is thrown is the cause, not its echo: a rank that lost its peer says so within milliseconds of
 * the peer's own connection breaking, and either may be heard first.
 *
 * <p>{@link #run} is called once by one thread; {@link #abort} by any.
 */
final class GangRun {
  /** Calls that were cancelled end here at once, whatever the worker does; this only bounds a mistake of ours. */
  private static final Duration STOP_TIMEOUT = Duration.ofSeconds(10);

  private final List<RankCall> calls;
  private final BlockingQueue<RankCall> endings;
  private final RunSettings settings;
  private final LongSupplier nanoTime;
  private volatile long lastProgressNanos;

  /**
   * @param makeCall makes the call of one rank with the two given call-backs
   * @param onEvent every event of every rank but the last
   */
  GangRun(
      int ranks,
      CallFactory makeCall,
      Function<Integer, Consumer<WorkEvent>> onEvent,
      RunSettings settings,
      LongSupplier nanoTime) {
    this.settings = settings;
    this.nanoTime = nanoTime;
    this.endings = new ArrayBlockingQueue<>(ranks);
    this.lastProgressNanos = nanoTime.getAsLong();
    List<RankCall> made = new ArrayList<>();
    for (int rank = 0; rank < ranks; rank++) {
      Consumer<WorkEvent> handler = onEvent.apply(rank);
      made.add(
          makeCall.make(
              rank,
              event -> {
                lastProgressNanos = nanoTime.getAsLong();
                handler.accept(event);
              },
              endings::add));
    }
    this.calls = List.copyOf(made);
  }

  /** Makes the call of one rank. */
  interface CallFactory {
    RankCall make(int rank, Consumer<WorkEvent> onEvent, Consumer<RankCall> onEnd);
  }

  /**
   * Starts all calls and waits for them.
   *
   * @return what the ranks reported, in their order
   * @throws LongtakeException the cause of the first failure, after all calls have ended
   */
  List<WorkFinished> run() throws InterruptedException {
    calls.forEach(RankCall::start);
    List<RankCall> open = new ArrayList<>(calls);
    List<RankCall> failed = new ArrayList<>();
    try {
      while (!open.isEmpty() && failed.isEmpty()) {
        RankCall ended = awaitEnding(open);
        open.remove(ended);
        if (ended.failure().isPresent()) {
          failed.add(ended);
        }
      }
      if (!failed.isEmpty()) {
        awaitCause(open, failed);
      }
    } finally {
      stop(open);
    }
    Optional<LongtakeException> cause = cause(failed);
    if (cause.isPresent()) {
      throw cause.get();
    }
    return calls.stream().map(call -> call.finished().orElseThrow()).toList();
  }

  /** Stops all calls; {@link #run} then throws CANCELED soon. */
  void abort() {
    calls.forEach(RankCall::cancel);
  }

  /** Ranks whose connection broke; complete when {@link #run} has returned or thrown. */
  List<RankCall> broken() {
    return calls.stream().filter(RankCall::connectionBroke).toList();
  }

  private RankCall awaitEnding(List<RankCall> open) throws InterruptedException {
    long stallNanos = settings.stallTimeout().toNanos();
    while (true) {
      long waitNanos = stallNanos - (nanoTime.getAsLong() - lastProgressNanos);
      RankCall ended =
          waitNanos <= 0 ? endings.poll() : endings.poll(waitNanos, TimeUnit.NANOSECONDS);
      if (ended != null) {
        return ended;
      }
      if (nanoTime.getAsLong() - lastProgressNanos >= stallNanos) {
        throw new LongtakeException(
            ErrorCode.TIMED_OUT,
            "Expected a step or frames within %d s, but nothing came from %s; see that worker's log"
                .formatted(settings.stallTimeout().toSeconds(), open.getFirst().member()));
      }
    }
  }

  /** After an echo, gives the cause a chance to be heard. */
  private void awaitCause(List<RankCall> open, List<RankCall> failed) throws InterruptedException {
    long deadline = nanoTime.getAsLong() + settings.causeGrace().toNanos();
    while (!open.isEmpty() && failed.stream().allMatch(GangRun::isEcho)) {
      RankCall ended = endings.poll(deadline - nanoTime.getAsLong(), TimeUnit.NANOSECONDS);
      if (ended == null) {
        return;
      }
      open.remove(ended);
      if (ended.failure().isPresent()) {
        failed.add(ended);
      }
    }
  }

  private void stop(List<RankCall> open) throws InterruptedException {
    open.forEach(RankCall::cancel);
    long deadline = nanoTime.getAsLong() + STOP_TIMEOUT.toNanos();
    while (!open.isEmpty()) {
      RankCall ended = endings.poll(deadline - nanoTime.getAsLong(), TimeUnit.NANOSECONDS);
      if (ended == null) {
        return;
      }
      open.remove(ended);
    }
  }

  /** The first broken connection, else the first failure that is no echo, else the first. */
  private static Optional<LongtakeException> cause(List<RankCall> failed) {
    return failed.stream()
        .filter(RankCall::connectionBroke)
        .findFirst()
        .or(() -> failed.stream().filter(call -> !isEcho(call)).findFirst())
        .or(() -> failed.stream().findFirst())
        .flatMap(RankCall::failure);
  }

  private static boolean isEcho(RankCall call) {
    return call.failure().map(failure -> failure.code() == ErrorCode.PEER_LOST).orElse(false);
  }
}
