package dev.longtake.common.metrics;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.DistributionSummary;
import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.MultiGauge;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.Timer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The catalogue of all meters. Meters are made here and nowhere else, so that names, units and labels are those of docs/metrics.md. Labels
 * have few values: never a job, a prompt or an address of a client. Thread-safe.
 */
public enum Metric {
  BUILD_INFO("build.info", Kind.GAUGE, "", Side.EVERY, "Always 1; which version runs.", "version"),
  CACHE_HITS(
      "cache.hits",
      Kind.COUNTER,
      "",
      Side.EVERY,
      "Lookups that found something, or something that was being made for another.",
      "tier",
      "model"),
  CACHE_MISSES(
      "cache.misses", Kind.COUNTER, "", Side.EVERY, "Lookups that didn't.", "tier", "model"),
  CACHE_LOAD(
      "cache.load",
      Kind.TIMER,
      "seconds",
      Side.EVERY,
      "Making of what was not found.",
      "tier",
      "model"),
  CACHE_LOAD_FAILURES(
      "cache.load.failures", Kind.COUNTER, "", Side.EVERY, "That failed.", "tier", "model"),
  CACHE_EVICTIONS(
      "cache.evictions",
      Kind.COUNTER,
      "",
      Side.EVERY,
      "Entries that left for want of room, or because nobody had used them for long.",
      "tier",
      "model"),
  CACHE_BYTES("cache", Kind.GAUGE, "bytes", Side.EVERY, "Of all entries.", "tier", "model"),
  CACHE_PINNED_BYTES(
      "cache.pinned",
      Kind.GAUGE,
      "bytes",
      Side.EVERY,
      "Of those, what can't be evicted now.",
      "tier",
      "model"),

  STEP(
      "step",
      Kind.HISTOGRAM,
      "seconds",
      Side.WORKER,
      "One step of the sampler on this worker, without loading and decoding.",
      "stage"),
  OPERATION_SECONDS(
      "operation",
      Kind.COUNTER,
      "seconds",
      Side.WORKER,
      "Time of the model's operations in all lanes: computing, exchanging, or waiting for a peer or"
          + " the device.",
      "stage",
      "operation",
      "activity"),
  SAMPLING_SECONDS(
      "sampling",
      Kind.COUNTER,
      "seconds",
      Side.WORKER,
      "Time from a job's first step to its last: something was computed (compute), nothing was"
          + " computed and bytes were under way (exchange), or neither (idle).",
      "activity"),
  SAMPLING_HIDDEN_SECONDS(
      "sampling.hidden.exchange",
      Kind.COUNTER,
      "seconds",
      Side.WORKER,
      "Bytes were under way while something was computed; part of compute."),
  ORDERS(
      "orders",
      Kind.COUNTER,
      "",
      Side.WORKER,
      "Orders that ended; result is done or an error's code.",
      "task",
      "result"),
  ORDER_SECONDS(
      "order", Kind.COUNTER, "seconds", Side.WORKER, "What orders took, by task.", "task"),
  ORDERS_RUNNING("orders.running", Kind.GAUGE, "", Side.WORKER, "Orders at work."),
  WORKER_HEALTHY(
      "worker.healthy",
      Kind.GAUGE,
      "",
      Side.WORKER,
      "1 as long as the worker's check of its own results passes, else 0."),
  DEVICE_UTILIZATION(
      "device.utilization",
      Kind.GAUGE,
      "",
      Side.WORKER,
      "How busy the device was lately, 0 to 1: a GPU by NVIDIA's library, a processor by the time"
          + " of its threads."),
  DEVICE_MEMORY_BYTES(
      "device.memory",
      Kind.GAUGE,
      "bytes",
      Side.WORKER,
      "Device memory in use, by purpose.",
      "tag"),
  DEVICE_MEMORY_PEAK_BYTES(
      "device.memory.peak", Kind.GAUGE, "bytes", Side.WORKER, "Most that was in use at one time."),
  DEVICE_MEMORY_LIMIT_BYTES(
      "device.memory.limit", Kind.GAUGE, "bytes", Side.WORKER, "What may be in use."),
  LINK_SENT_BYTES(
      "link.sent", Kind.COUNTER, "bytes", Side.WORKER, "Payload sent to a worker.", "peer"),
  LINK_SENT_CHUNKS("link.sent.chunks", Kind.COUNTER, "", Side.WORKER, "Chunks sent.", "peer"),
  LINK_RECEIVED_BYTES(
      "link.received",
      Kind.COUNTER,
      "bytes",
      Side.WORKER,
      "Payload that came from a worker and is in its place.",
      "peer"),
  LINK_RECEIVED_CHUNKS(
      "link.received.chunks", Kind.COUNTER, "", Side.WORKER, "Chunks of it.", "peer"),
  LINK_RECEIVE_SECONDS(
      "link.receive",
      Kind.COUNTER,
      "seconds",
      Side.WORKER,
      "From a worker's first bytes at an exchange to its last, while they were waited for.",
      "peer"),
  LINK_RECEIVE_TIMED_BYTES(
      "link.receive.timed",
      Kind.COUNTER,
      "bytes",
      Side.WORKER,
      "Payload that came in that time.",
      "peer"),
  LINK_STALL_SECONDS(
      "link.stall",
      Kind.COUNTER,
      "seconds",
      Side.WORKER,
      "A chunk was ready for a worker, which had granted no credit for it.",
      "peer"),
  EXCHANGE_MEMORY_BYTES(
      "exchange.memory",
      Kind.GAUGE,
      "bytes",
      Side.WORKER,
      "Payload that exchanges hold on its way."),
  EXCHANGE_MEMORY_LIMIT_BYTES(
      "exchange.memory.limit",
      Kind.GAUGE,
      "bytes",
      Side.WORKER,
      "What credits let the exchanges that are open hold; 0 without any."),
  EXCHANGE_DROPPED_CHUNKS(
      "exchange.dropped.chunks",
      Kind.COUNTER,
      "",
      Side.WORKER,
      "Chunks that came too late: their attempt at the job was replaced or over."),
  EXCHANGE_CHECKSUM_FAILURES(
      "exchange.checksum.failures",
      Kind.COUNTER,
      "",
      Side.WORKER,
      "Chunks whose checksum was not what was sent."),

  LEADER("leader", Kind.GAUGE, "", Side.COORDINATOR, "1 while this coordinator leads, else 0."),
  STORAGE_AVAILABLE(
      "storage.available",
      Kind.GAUGE,
      "",
      Side.COORDINATOR,
      "1 while changes of jobs reach the database, else 0; 1 on a standby."),
  JOBS("jobs", Kind.GAUGE, "", Side.COORDINATOR, "Jobs that are remembered.", "state"),
  JOB_TRANSITIONS(
      "job.transitions",
      Kind.COUNTER,
      "",
      Side.COORDINATOR,
      "Changes of a job's state, by the state after it, counted when stored.",
      "to"),
  QUEUE_LENGTH("queue.length", Kind.GAUGE, "", Side.COORDINATOR, "Jobs that wait.", "tenant"),
  QUEUE_LIMIT("queue.limit", Kind.GAUGE, "", Side.COORDINATOR, "Jobs that may wait."),
  QUEUE_OLDEST_SECONDS(
      "queue.oldest",
      Kind.GAUGE,
      "seconds",
      Side.COORDINATOR,
      "How long the job that has waited longest has done so; 0 without any."),
  QUEUE_WAIT(
      "queue.wait",
      Kind.HISTOGRAM,
      "seconds",
      Side.COORDINATOR,
      "What jobs waited for workers before each start.",
      "tenant"),
  ATTEMPTS_ENDED(
      "attempts.ended",
      Kind.COUNTER,
      "",
      Side.COORDINATOR,
      "Attempts at jobs that ended: done, segment (the next one follows), turn_given (others go"
          + " first), stopped, or an error's code.",
      "reason"),
  RECOVERY(
      "recovery",
      Kind.HISTOGRAM,
      "seconds",
      Side.COORDINATOR,
      "From the loss of a job's workers to the next step that was done for it."),
  SEGMENTS("segments", Kind.COUNTER, "", Side.COORDINATOR, "Segments of videos that were made."),
  PLAN_STEP_PREDICTED_SECONDS(
      "plan.step.predicted",
      Kind.COUNTER,
      "seconds",
      Side.COORDINATOR,
      "Predicted times of a step, one for each segment that had its workers for itself."),
  PLAN_STEP_MEASURED_SECONDS(
      "plan.step.measured",
      Kind.COUNTER,
      "seconds",
      Side.COORDINATOR,
      "Medians of the steps of the same segments."),
  PLAN_EXCHANGE_PREDICTED_SECONDS(
      "plan.exchange.predicted",
      Kind.COUNTER,
      "seconds",
      Side.COORDINATOR,
      "Predicted exchange of a step that nothing hides, of the same segments."),
  PLAN_EXCHANGE_MEASURED_SECONDS(
      "plan.exchange.measured",
      Kind.COUNTER,
      "seconds",
      Side.COORDINATOR,
      "What the worker that waited longest waited for bytes in a step, of the same segments."),
  PLAN_STEP_RATIO(
      "plan.step.ratio",
      Kind.SUMMARY,
      "",
      Side.COORDINATOR,
      "Measured through predicted time of a step, of the same segments."),
  WORKERS(
      "workers",
      Kind.GAUGE,
      "",
      Side.COORDINATOR,
      "Workers in the cluster: idle, busy, draining or faulty.",
      "state"),
  WORKERS_JOINED("workers.joined", Kind.COUNTER, "", Side.COORDINATOR, "Workers that joined."),
  WORKERS_LEFT(
      "workers.left",
      Kind.COUNTER,
      "",
      Side.COORDINATOR,
      "Workers that left: left (by themselves), lost (killed, frozen or cut off) or stopped (the"
          + " coordinator did).",
      "reason"),
  LINK_RATE(
      "link",
      Kind.GAUGE,
      "bytes_per_second",
      Side.COORDINATOR,
      "Bandwidth between two workers, as measured.",
      "from",
      "to"),
  LINK_LATENCY_SECONDS(
      "link.latency",
      Kind.GAUGE,
      "seconds",
      Side.COORDINATOR,
      "Time of the smallest message, one way, as measured.",
      "from",
      "to"),
  CHECKPOINT(
      "checkpoint", Kind.TIMER, "seconds", Side.COORDINATOR, "Writing of a sampler's state."),
  CHECKPOINT_BYTES(
      "checkpoint.written", Kind.COUNTER, "bytes", Side.COORDINATOR, "Of states written."),
  CHECKPOINT_FAILURES(
      "checkpoint.failures",
      Kind.COUNTER,
      "",
      Side.COORDINATOR,
      "States that could not be written."),
  DATABASE(
      "database.write",
      Kind.HISTOGRAM,
      "seconds",
      Side.COORDINATOR,
      "Transactions that stored jobs."),
  DATABASE_FAILURES(
      "database.failures", Kind.COUNTER, "", Side.COORDINATOR, "Transactions that failed."),
  EVENT_WATCHERS(
      "event.watchers",
      Kind.GAUGE,
      "",
      Side.COORDINATOR,
      "Open calls that watch a job, its previews or its stream."),
  HTTP_REQUESTS(
      "http.requests",
      Kind.COUNTER,
      "",
      Side.COORDINATOR,
      "HTTP requests that were answered, by the pattern of their path.",
      "route",
      "status"),
  HTTP_REQUESTS_OPEN(
      "http.requests.open",
      Kind.GAUGE,
      "",
      Side.COORDINATOR,
      "HTTP requests that are being answered, streams included."),
  HTTP_CONNECTIONS(
      "http.connections", Kind.GAUGE, "", Side.COORDINATOR, "Open connections of HTTP clients.");

  /** What kind of meter; a {@link #HISTOGRAM} is a timer with buckets, a {@link #SUMMARY} has buckets of a ratio. */
  public enum Kind {
    COUNTER,
    GAUGE,
    TIMER,
    HISTOGRAM,
    SUMMARY
  }

  /** Which processes have it. */
  public enum Side {
    EVERY,
    COORDINATOR,
    WORKER
  }

  private static final String PREFIX = "longtake.";

  /** From a small model's step to a queue's patience. */
  private static final Duration[] TIMES =
      Stream.of(
              1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000,
              1_800_000)
          .map(Duration::ofMillis)
          .toArray(Duration[]::new);

  private static final double[] RATIOS = {0.5, 0.7, 0.85, 0.95, 1.05, 1.15, 1.3, 1.5, 2, 4};

  private final String name;
  private final Kind kind;
  private final String unit;
  private final Side side;
  private final String sentence;

  /** Made by {@link List#of}. */
  @SuppressWarnings("ImmutableEnumChecker")
  private final List<String> labels;

  Metric(String name, Kind kind, String unit, Side side, String sentence, String... labels) {
    this.name = PREFIX + name;
    this.kind = kind;
    this.unit = unit;
    this.side = side;
    this.sentence = sentence;
    this.labels = List.of(labels);
  }

  public Kind kind() {
    return kind;
  }

  /** The base unit; empty for a number of things. */
  public String unit() {
    return unit;
  }

  public Side side() {
    return side;
  }

  /** What it says, for people. */
  public String sentence() {
    return sentence;
  }

  /** Names of its labels, in the order in which values are given. */
  public List<String> labels() {
    return labels;
  }

  /** The name that Prometheus sees, of a family with {@code _count}, {@code _sum}, {@code _max} and {@code _bucket} where it is a timer. */
  public String exposedName() {
    String base = name.replace('.', '_') + (unit.isEmpty() ? "" : "_" + unit);
    return kind == Kind.COUNTER ? base + "_total" : base;
  }

  /** A counter, made or found. */
  public Counter counter(MeterRegistry registry, String... values) {
    require(Kind.COUNTER);
    return Counter.builder(name)
        .baseUnit(baseUnit())
        .description(sentence)
        .tags(tags(values))
        .register(registry);
  }

  /** A counter that something else counts; the first one with these label values counts. */
  public void counter(MeterRegistry registry, Supplier<Number> count, String... values) {
    require(Kind.COUNTER);
    FunctionCounter.builder(name, count, counted -> counted.get().doubleValue())
        .baseUnit(baseUnit())
        .description(sentence)
        .tags(tags(values))
        .register(registry);
  }

  /** A gauge of what somebody else knows, which the registry keeps alive. */
  public void gauge(MeterRegistry registry, Supplier<Number> value, String... values) {
    require(Kind.GAUGE);
    Gauge.builder(name, value)
        .baseUnit(baseUnit())
        .description(sentence)
        .tags(tags(values))
        .register(registry);
  }

  /** Gauges whose label values come and go. */
  public MultiGauge gauges(MeterRegistry registry) {
    require(Kind.GAUGE);
    return MultiGauge.builder(name).baseUnit(baseUnit()).description(sentence).register(registry);
  }

  /** A timer, made or found. */
  public Timer timer(MeterRegistry registry, String... values) {
    Timer.Builder timer = Timer.builder(name).description(sentence).tags(tags(values));
    return kind == Kind.HISTOGRAM
        ? timer.serviceLevelObjectives(TIMES).register(registry)
        : requiredTimer(timer).register(registry);
  }

  private Timer.Builder requiredTimer(Timer.Builder timer) {
    require(Kind.TIMER);
    return timer;
  }

  /** A summary of ratios, made or found. */
  public DistributionSummary ratios(MeterRegistry registry, String... values) {
    require(Kind.SUMMARY);
    return DistributionSummary.builder(name)
        .description(sentence)
        .tags(tags(values))
        .serviceLevelObjectives(RATIOS)
        .register(registry);
  }

  /** The labels with these values. */
  public Tags tags(String... values) {
    if (values.length != labels.size()) {
      throw new IllegalArgumentException(
          "Expected values of the labels %s of %s, but got %s"
              .formatted(labels, name, List.of(values)));
    }
    List<String> pairs = new ArrayList<>();
    for (int i = 0; i < values.length; i++) {
      pairs.add(labels.get(i));
      pairs.add(values[i]);
    }
    return Tags.of(pairs.toArray(String[]::new));
  }

  private @Nullable String baseUnit() {
    return unit.isEmpty() ? null : unit;
  }

  private void require(Kind wanted) {
    if (kind != wanted) {
      throw new IllegalStateException(
          "Expected a %s, but %s is a %s".formatted(wanted, name, kind));
    }
  }
}
