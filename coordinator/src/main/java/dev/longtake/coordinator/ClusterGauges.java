package dev.longtake.coordinator;

import com.google.protobuf.util.Timestamps;
import dev.longtake.common.metrics.Metric;
import dev.longtake.common.metrics.Telemetry;
import dev.longtake.coordinator.fleet.Departure;
import dev.longtake.coordinator.fleet.Fleet;
import dev.longtake.coordinator.fleet.FleetListener;
import dev.longtake.coordinator.fleet.Member;
import dev.longtake.coordinator.jobs.JobMeters;
import dev.longtake.coordinator.jobs.JobStates;
import dev.longtake.coordinator.jobs.JobStore;
import dev.longtake.v1.Job;
import dev.longtake.v1.JobState;
import dev.longtake.v1.LinkTimes;
import dev.longtake.v1.WorkerStatus;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.MultiGauge;
import io.micrometer.core.instrument.MultiGauge.Row;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.BooleanSupplier;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;

/**
 * What the coordinator knows of its jobs and workers, as gauges that are read when somebody scrapes. They outlive a {@link Term}; without one
 * there are no jobs and no workers. Thread-safe.
 */
final class ClusterGauges implements FleetListener {
  private static final List<JobState> STATES =
      List.of(
          JobState.JOB_STATE_QUEUED,
          JobState.JOB_STATE_RUNNING,
          JobState.JOB_STATE_DONE,
          JobState.JOB_STATE_FAILED,
          JobState.JOB_STATE_CANCELED);

  private final MeterRegistry registry;
  private final JobMeters meters;
  private final InstantSource clock;
  private final MultiGauge jobsByState;
  private final MultiGauge queueByTenant;
  private final MultiGauge workersByState;
  private final MultiGauge linkRates;
  private final MultiGauge linkLatencies;

  /** Tenants that were seen; their series stay when nothing waits. Guarded by this. */
  private final Map<String, Integer> queuedByTenant = new TreeMap<>();

  private volatile @Nullable Source source;

  private record Source(Fleet fleet, JobStore jobs, BooleanSupplier isLeading) {}

  ClusterGauges(Telemetry telemetry, JobMeters meters, int queueLimit, InstantSource clock) {
    this.registry = telemetry.registry();
    this.meters = meters;
    this.clock = clock;
    this.jobsByState = Metric.JOBS.gauges(registry);
    this.queueByTenant = Metric.QUEUE_LENGTH.gauges(registry);
    this.workersByState = Metric.WORKERS.gauges(registry);
    this.linkRates = Metric.LINK_RATE.gauges(registry);
    this.linkLatencies = Metric.LINK_LATENCY_SECONDS.gauges(registry);
    queuedByTenant.put(meters.tenant(""), 0);
    Metric.QUEUE_LIMIT.gauge(registry, () -> queueLimit);
    Metric.QUEUE_OLDEST_SECONDS.gauge(registry, this::oldestSeconds);
    Metric.LEADER.gauge(registry, () -> of(now -> now.isLeading.getAsBoolean() ? 1 : 0, 0));
    Metric.STORAGE_AVAILABLE.gauge(registry, () -> of(now -> now.jobs.isStoring() ? 1 : 0, 1));
    Metric.EVENT_WATCHERS.gauge(registry, () -> of(now -> now.jobs.watchers(), 0));
    Metric.WORKERS_JOINED.counter(registry);
    for (Departure departure : Departure.values()) {
      left(departure, 0);
    }
    telemetry.beforeScrape(this::refresh);
  }

  /** A term has begun. */
  void begin(Fleet fleet, JobStore jobs, BooleanSupplier isLeading) {
    source = new Source(fleet, jobs, isLeading);
    fleet.addListener(this);
  }

  /** It is over. */
  void end() {
    source = null;
  }

  private double of(ToDoubleFunction<Source> value, double otherwise) {
    Source now = source;
    return now == null ? otherwise : value.applyAsDouble(now);
  }

  private List<Job> jobs() {
    Source now = source;
    return now == null ? List.of() : now.jobs.list(Integer.MAX_VALUE, _ -> true);
  }

  private double oldestSeconds() {
    long nowMillis = clock.millis();
    return jobs().stream()
            .filter(job -> job.getState() == JobState.JOB_STATE_QUEUED)
            .mapToLong(job ->
                nowMillis
                    - Timestamps.toMillis(job.getHistory(job.getHistoryCount() - 1).getTime()))
            .max()
            .orElse(0)
        / 1e3;
  }

  /** Before each scrape: gauges whose labels come and go. */
  private synchronized void refresh() {
    Source now = source;
    List<Job> jobs = jobs();
    Map<JobState, Integer> byState = new TreeMap<>();
    queuedByTenant.replaceAll((_, _) -> 0);
    for (Job job : jobs) {
      byState.merge(job.getState(), 1, Integer::sum);
      if (job.getState() == JobState.JOB_STATE_QUEUED) {
        queuedByTenant.merge(meters.tenant(job.getTenant()), 1, Integer::sum);
      }
    }
    jobsByState.register(
        STATES.stream()
            .map(state -> row(Metric.JOBS, byState.getOrDefault(state, 0), JobStates.name(state)))
            .toList(),
        /* overwrite= */ true);
    List<Row<?>> queues = new ArrayList<>();
    queuedByTenant.forEach(
        (tenant, length) -> queues.add(row(Metric.QUEUE_LENGTH, length, tenant)));
    queueByTenant.register(queues, /* overwrite= */ true);
    refreshWorkers(now == null ? List.of() : now.fleet.statuses());
    refreshLinks(now == null ? List.of() : now.fleet.links().all());
  }

  private void refreshWorkers(List<WorkerStatus> workers) {
    Map<String, Integer> byState =
        new TreeMap<>(Map.of("idle", 0, "busy", 0, "draining", 0, "faulty", 0));
    workers.forEach(worker -> byState.merge(state(worker), 1, Integer::sum));
    List<Row<?>> rows = new ArrayList<>();
    byState.forEach((state, count) -> rows.add(row(Metric.WORKERS, count, state)));
    workersByState.register(rows, /* overwrite= */ true);
  }

  private static String state(WorkerStatus worker) {
    if (!worker.getFault().isEmpty()) {
      return "faulty";
    }
    if (worker.getDraining()) {
      return "draining";
    }
    return worker.getJobIdsCount() > 0 ? "busy" : "idle";
  }

  private void refreshLinks(List<LinkTimes> links) {
    List<Row<?>> rates = new ArrayList<>();
    List<Row<?>> latencies = new ArrayList<>();
    for (LinkTimes link : links) {
      String from = link.getFromWorker();
      String to = link.getToWorker();
      rates.add(row(Metric.LINK_RATE, link.getBytesPerSecond(), from, to));
      latencies.add(row(Metric.LINK_LATENCY_SECONDS, link.getLatencySeconds(), from, to));
    }
    linkRates.register(rates, /* overwrite= */ true);
    linkLatencies.register(latencies, /* overwrite= */ true);
  }

  private static Row<?> row(Metric metric, Number value, String... labels) {
    return Row.of(metric.tags(labels), value);
  }

  @Override
  public void joined(Member member) {
    Metric.WORKERS_JOINED.counter(registry).increment();
  }

  @Override
  public void left(Member member, Departure departure, String reason) {
    left(departure, 1);
  }

  private void left(Departure departure, int count) {
    Metric.WORKERS_LEFT
        .counter(registry, departure.name().toLowerCase(Locale.ROOT))
        .increment(count);
  }
}
