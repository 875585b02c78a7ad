package dev.longtake.coordinator.measure;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.coordinator.fleet.Departure;
import dev.longtake.coordinator.fleet.Fleet;
import dev.longtake.coordinator.fleet.FleetListener;
import dev.longtake.coordinator.fleet.Gang;
import dev.longtake.coordinator.fleet.Member;
import dev.longtake.v1.BlockTimes;
import dev.longtake.v1.LinkTimes;
import dev.longtake.v1.Measured;
import dev.longtake.v1.Precision;
import io.grpc.Context;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BooleanSupplier;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Measures workers that have joined, and again those that drift, while no job waits and nothing else runs on their hosts. Results
 * are kept by the fleet.
 *
 * <p>Thread-safe. Its lock is taken before the fleet's, never after it.
 */
public final class Measurer implements FleetListener, AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(Measurer.class);

  private final Fleet fleet;
  private final ExecutorService executor;
  private final ScheduledExecutorService timer;
  private final LongSupplier nanoTime;
  private final BooleanSupplier jobWaits;

  private final ReentrantLock lock = new ReentrantLock();
  private final Condition quiet = lock.newCondition();
  private final Agenda agenda = new Agenda();
  private final Drift drift = new Drift();
  private final Map<Measurement, Context.CancellableContext> underWay = new HashMap<>();
  private long attempt;
  private boolean standsBack;
  private boolean closed;

  /**
   * Begins when workers join, once it was added to the fleet's listeners.
   *
   * @param executor a thread per call; the caller's
   * @param timer for trying again; the caller's
   * @param nanoTime a monotonic clock
   * @param clock makes attempts larger than those of a coordinator that ran before
   * @param jobWaits whether a job is in the queue, also one that {@link #standBack} was not yet called for; it is asked with the
   *     lock held
   */
  public Measurer(
      Fleet fleet,
      ExecutorService executor,
      ScheduledExecutorService timer,
      LongSupplier nanoTime,
      InstantSource clock,
      BooleanSupplier jobWaits) {
    this.fleet = fleet;
    this.executor = executor;
    this.timer = timer;
    this.nanoTime = nanoTime;
    this.jobWaits = jobWaits;
    this.attempt = clock.millis();
  }

  @Override
  public void joined(Member member) {
    measureWhatIsDue();
  }

  @Override
  public void left(Member member, Departure departure, String reason) {
    lock.lock();
    try {
      agenda.forget(member);
      drift.forget(member);
    } finally {
      lock.unlock();
    }
    measureWhatIsDue();
  }

  @Override
  public void freed() {
    measureWhatIsDue();
  }

  /**
   * A job waits: nothing new is begun until {@link #resume}, and what is under way is waited for.
   *
   * @param urgent what is under way is given up, and done again later: the job lost its workers, and its plan need not be the best one
   * @return whether nothing is under way any more
   */
  public boolean standBack(Duration patience, boolean urgent) throws InterruptedException {
    long remainingNanos = patience.toNanos();
    lock.lockInterruptibly();
    try {
      standsBack = true;
      if (urgent) {
        underWay.values().forEach(context -> context.cancel(null));
      }
      while (!underWay.isEmpty() && remainingNanos > 0) {
        remainingNanos = quiet.awaitNanos(remainingNanos);
      }
      return underWay.isEmpty();
    } finally {
      lock.unlock();
    }
  }

  /** No job waits any more. */
  public void resume() {
    lock.lock();
    try {
      if (!standsBack) {
        return;
      }
      standsBack = false;
    } finally {
      lock.unlock();
    }
    measureWhatIsDue();
  }

  /** Blocks are measured in this precision too, when there is time. */
  public void want(Precision precision) {
    lock.lock();
    try {
      agenda.want(precision);
    } finally {
      lock.unlock();
    }
  }

  /** A job that had its workers for itself is done. */
  public void observed(Observation job) {
    lock.lock();
    try {
      Drift.Verdict verdict = drift.judge(job);
      for (Member member : verdict.blocks()) {
        log.info("The steps of {} are not as predicted any more: its blocks are due", member);
        agenda.blocksDrifted(member, job.precision());
      }
      if (!verdict.links().isEmpty()) {
        log.info(
            "The exchange between {} is not as predicted any more: these links are due",
            verdict.links());
        agenda.linksDrifted(verdict.links());
      }
    } finally {
      lock.unlock();
    }
    measureWhatIsDue();
  }

  private void measureWhatIsDue() {
    List<Begun> begun = new ArrayList<>();
    lock.lock();
    try {
      standsBack |= jobWaits.getAsBoolean();
      if (closed || standsBack) {
        return;
      }
      for (Measurement due : agenda.due(fleet.membersById(), fleet.links(), nanoTime.getAsLong())) {
        if (underWay.containsKey(due)) {
          continue;
        }
        fleet
            .reserveQuietly(due.jobId(), due.members())
            .ifPresent(gang -> {
              Context.CancellableContext context = Context.ROOT.withCancellation();
              underWay.put(due, context);
              begun.add(new Begun(due, ++attempt, gang, context));
            });
      }
    } finally {
      lock.unlock();
    }
    begun.forEach(this::start);
  }

  private record Begun(
      Measurement measurement, long attempt, Gang gang, Context.CancellableContext context) {}

  private void start(Begun begun) {
    try {
      executor.execute(() -> measure(begun));
    } catch (RejectedExecutionException e) {
      log.debug("The coordinator stops: {} is not begun", begun.measurement.jobId());
      begun.gang.close();
      ended(begun.measurement);
    }
  }

  private void measure(Begun begun) {
    Measurement measurement = begun.measurement;
    try (Gang _ = begun.gang) {
      long startNanos = nanoTime.getAsLong();
      keep(
          measurement,
          MeasureCall.run(measurement, begun.attempt, begun.context, executor, fleet::doubt));
      log.info(
          "{} took {} ms", measurement.jobId(), (nanoTime.getAsLong() - startNanos) / 1_000_000);
      lock.lock();
      try {
        agenda.succeeded(measurement);
      } finally {
        lock.unlock();
      }
    } catch (LongtakeException e) {
      if (e.code() == ErrorCode.CANCELED && begun.context.isCancelled()) {
        log.debug("{} was given up for a job", measurement.jobId());
      } else {
        failed(measurement, e);
      }
    } catch (RuntimeException e) {
      failed(measurement, new LongtakeException(ErrorCode.INTERNAL, e.toString(), e));
    } finally {
      begun.context.cancel(null);
      ended(measurement);
    }
  }

  /**
   * @throws LongtakeException INTERNAL when a worker measured something else
   */
  private void keep(Measurement measurement, List<Measured> measured) {
    switch (measurement) {
      case Measurement.Blocks(Member member, Precision precision) -> {
        BlockTimes times = measured.getFirst().getBlocks();
        if (times.getKindsCount() == 0) {
          throw new LongtakeException(
              ErrorCode.INTERNAL, "Expected times of blocks, but %s sent none".formatted(member));
        }
        member.measured(precision, times.toBuilder().setPrecision(precision).build());
      }
      case Measurement.Link(Member first, Member second) -> {
        LinkTimes there = named(measured.getFirst(), first, second);
        LinkTimes back = named(measured.getLast(), second, first);
        fleet.links().put(there);
        fleet.links().put(back);
      }
    }
  }

  /** Workers know each other by address, the fleet by id. */
  private static LinkTimes named(Measured measured, Member from, Member to) {
    LinkTimes link = measured.getLink();
    // NaN fails every comparison, so it is refused as well.
    if (!(link.getBytesPerSecond() > 0) || !(link.getLatencySeconds() >= 0)) {
      throw new LongtakeException(
          ErrorCode.INTERNAL,
          "Expected a bandwidth and a latency, but %s measured %s bytes/s and %s s"
              .formatted(from, link.getBytesPerSecond(), link.getLatencySeconds()));
    }
    return link.toBuilder().setFromWorker(from.id()).setToWorker(to.id()).build();
  }

  private void failed(Measurement measurement, LongtakeException why) {
    Optional<Duration> pause;
    lock.lock();
    try {
      if (closed || measurement.members().stream().anyMatch(m -> m.lossReason().isPresent())) {
        agenda.succeeded(measurement);
        return;
      }
      pause = agenda.failed(measurement, nanoTime.getAsLong());
    } finally {
      lock.unlock();
    }
    log.warn(
        "{} failed, {}: {}; {}",
        measurement.jobId(),
        why.code(),
        why.getMessage(),
        pause.isPresent() ? "it is tried again" : "planning goes on without it");
    pause.ifPresent(this::measureAfter);
  }

  private void measureAfter(Duration pause) {
    try {
      var _ = timer.schedule(this::measureWhatIsDue, pause.toNanos(), TimeUnit.NANOSECONDS);
    } catch (RejectedExecutionException e) {
      log.debug("The coordinator stops: nothing is measured again");
    }
  }

  private void ended(Measurement measurement) {
    lock.lock();
    try {
      underWay.remove(measurement);
      if (underWay.isEmpty()) {
        quiet.signalAll();
      }
    } finally {
      lock.unlock();
    }
    measureWhatIsDue();
  }

  /** Begins nothing any more; what is under way ends when the fleet closes. */
  @Override
  public void close() {
    lock.lock();
    try {
      closed = true;
    } finally {
      lock.unlock();
    }
  }
}
