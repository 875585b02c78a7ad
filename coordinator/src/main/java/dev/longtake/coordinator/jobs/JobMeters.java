package dev.longtake.coordinator.jobs;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.metrics.BoundedLabel;
import dev.longtake.common.metrics.Metric;
import dev.longtake.common.tracing.Tracing;
import dev.longtake.coordinator.database.JobRow;
import dev.longtake.v1.Job;
import dev.longtake.v1.JobState;
import dev.longtake.v1.JobTransition;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.DistributionSummary;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import io.micrometer.observation.Observation;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;

/** What is counted, timed and traced of jobs, in all terms of a process. Thread-safe; nothing here waits. */
public final class JobMeters {
  /** Tenants that have series of their own. */
  private static final int MAX_TENANTS = 50;

  /** Jobs without a tenant. */
  private static final String NO_TENANT = "default";

  private final MeterRegistry registry;
  private final Tracing tracing;
  private final BoundedLabel tenants = new BoundedLabel(MAX_TENANTS);
  private final Timer recoveries;
  private final Counter segments;
  private final Counter stepPredicted;
  private final Counter stepMeasured;
  private final Counter exchangePredicted;
  private final Counter exchangeMeasured;
  private final DistributionSummary stepRatio;
  private final Timer checkpoints;
  private final Counter checkpointBytes;
  private final Counter checkpointFailures;
  private final Timer transactions;
  private final Counter transactionFailures;

  /** Those of a process. */
  public JobMeters(MeterRegistry registry, Tracing tracing) {
    this.registry = registry;
    this.tracing = tracing;
    this.recoveries = Metric.RECOVERY.timer(registry);
    this.segments = Metric.SEGMENTS.counter(registry);
    this.stepPredicted = Metric.PLAN_STEP_PREDICTED_SECONDS.counter(registry);
    this.stepMeasured = Metric.PLAN_STEP_MEASURED_SECONDS.counter(registry);
    this.exchangePredicted = Metric.PLAN_EXCHANGE_PREDICTED_SECONDS.counter(registry);
    this.exchangeMeasured = Metric.PLAN_EXCHANGE_MEASURED_SECONDS.counter(registry);
    this.stepRatio = Metric.PLAN_STEP_RATIO.ratios(registry);
    this.checkpoints = Metric.CHECKPOINT.timer(registry);
    this.checkpointBytes = Metric.CHECKPOINT_BYTES.counter(registry);
    this.checkpointFailures = Metric.CHECKPOINT_FAILURES.counter(registry);
    this.transactions = Metric.DATABASE.timer(registry);
    this.transactionFailures = Metric.DATABASE_FAILURES.counter(registry);
    registerAll();
  }

  /** From the start, so that the first of a kind is a change of 1. */
  private void registerAll() {
    for (JobState state : JobState.values()) {
      if (state != JobState.JOB_STATE_UNSPECIFIED && state != JobState.UNRECOGNIZED) {
        Metric.JOB_TRANSITIONS.counter(registry, JobStates.name(state));
      }
    }
    for (AttemptEnd end : AttemptEnd.values()) {
      counter(end);
    }
    for (ErrorCode code : ErrorCode.values()) {
      counter(code);
    }
    Metric.QUEUE_WAIT.timer(registry, tenant(""));
  }

  /** How an attempt ends that does not fail. */
  enum AttemptEnd {
    DONE,
    SEGMENT,
    TURN_GIVEN,
    /** The coordinator stopped, or made a mistake. */
    STOPPED
  }

  private Counter counter(Enum<?> reason) {
    return Metric.ATTEMPTS_ENDED.counter(registry, reason.name().toLowerCase(Locale.ROOT));
  }

  /** The label of a tenant. */
  public String tenant(String name) {
    return tenants.of(name.isEmpty() ? NO_TENANT : name);
  }

  /** Transitions that the database has now. */
  void stored(List<JobRow.Transition> transitions) {
    transitions.forEach(
        transition -> Metric.JOB_TRANSITIONS.counter(registry, transition.state()).increment());
  }

  /** A job gets its workers. */
  void waited(String tenant, long nanos) {
    Metric.QUEUE_WAIT.timer(registry, tenant(tenant)).record(nanos, TimeUnit.NANOSECONDS);
  }

  /** The work for a segment, to be observed by whoever does it. */
  Observation attempt(JobEntry entry, long attempt, int segment) {
    return tracing
        .ofJob("longtake.attempt", entry.id())
        .contextualName("attempt " + attempt)
        .highCardinalityKeyValue(Tracing.ATTEMPT, Long.toString(attempt))
        .highCardinalityKeyValue(Tracing.SEGMENT, Integer.toString(segment));
  }

  /** A job has its last state. */
  void ended(Job job) {
    tracing.jobEnded(
        job.getId(),
        JobStates.name(job.getState()),
        instant(job.getHistory(0)),
        instant(job.getHistory(job.getHistoryCount() - 1)),
        job.hasError() ? job.getError().getMessage() : null);
  }

  private static Instant instant(JobTransition transition) {
    return Instant.ofEpochSecond(
        transition.getTime().getSeconds(), transition.getTime().getNanos());
  }

  void attemptEnded(AttemptEnd end) {
    counter(end).increment();
  }

  void attemptFailed(ErrorCode code) {
    counter(code).increment();
  }

  /** A job that had lost its workers has done a step again. */
  void recovered(Duration after) {
    recoveries.record(after);
  }

  void segmentDone() {
    segments.increment();
  }

  /** A segment had its workers for itself, and they had been measured; seconds of a step. */
  void predicted(double step, double predictedStep, double exchange, double predictedExchange) {
    stepMeasured.increment(step);
    stepPredicted.increment(predictedStep);
    exchangeMeasured.increment(exchange);
    exchangePredicted.increment(predictedExchange);
    stepRatio.record(step / predictedStep);
  }

  void checkpointWritten(long bytes, long nanos) {
    checkpoints.record(nanos, TimeUnit.NANOSECONDS);
    checkpointBytes.increment((double) bytes);
  }

  void checkpointFailed() {
    checkpointFailures.increment();
  }

  void transactionDone(long nanos) {
    transactions.record(nanos, TimeUnit.NANOSECONDS);
  }

  void transactionFailed() {
    transactionFailures.increment();
  }
}
