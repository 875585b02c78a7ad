package dev.longtake.coordinator;

import dev.longtake.common.metrics.Telemetry;
import dev.longtake.common.process.Build;
import dev.longtake.coordinator.api.ClusterService;
import dev.longtake.coordinator.api.ErrorMappingInterceptor;
import dev.longtake.coordinator.api.GenerationService;
import dev.longtake.coordinator.artifacts.JobArtifacts;
import dev.longtake.coordinator.cache.EmbeddingCache;
import dev.longtake.coordinator.database.JobDatabase;
import dev.longtake.coordinator.fleet.Fleet;
import dev.longtake.coordinator.jobs.FrameEncoder;
import dev.longtake.coordinator.jobs.JobMeters;
import dev.longtake.coordinator.jobs.JobRunner;
import dev.longtake.coordinator.jobs.JobScheduler;
import dev.longtake.coordinator.jobs.JobStore;
import dev.longtake.coordinator.jobs.Planning;
import dev.longtake.coordinator.jobs.RunSettings;
import dev.longtake.coordinator.measure.Measurer;
import dev.longtake.coordinator.trace.TraceFiles;
import dev.longtake.coordinator.video.MediaReader;
import io.grpc.BindableService;
import io.grpc.protobuf.services.HealthStatusManager;
import java.security.SecureRandom;
import java.time.InstantSource;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.function.BooleanSupplier;
import java.util.function.LongSupplier;

/** What a coordinator does and knows while it leads: workers, jobs, and the services that speak of them. */
final class Term implements AutoCloseable {
  /** A frozen worker is removed after three or four intervals; then its own loss is known to be the cause. */
  private static final int CAUSE_GRACE_HEARTBEATS = Fleet.MISSED_HEARTBEATS + 2;

  /** What fails again and again with no step done is not the cluster's weather. */
  private static final int MAX_FRUITLESS_ATTEMPTS = 10;

  private final Startup startup;
  private final JobStore jobs;
  private final Fleet fleet;
  private final List<BindableService> services;

  private Term(Startup startup, JobStore jobs, Fleet fleet, List<BindableService> services) {
    this.startup = startup;
    this.jobs = jobs;
    this.fleet = fleet;
    this.services = services;
  }

  /**
   * What the process has for all its terms, the caller's.
   *
   * @param nanoTime a monotonic clock
   * @param timer for heartbeat checks and short retries
   * @param calls runs calls of others
   * @param build that workers must have too
   */
  record Surroundings(
      CoordinatorConfig config,
      DataFolder data,
      InstantSource clock,
      LongSupplier nanoTime,
      ScheduledExecutorService timer,
      ExecutorService calls,
      Planning planning,
      String build,
      SecureRandom random,
      EmbeddingCache embeddings,
      HealthStatusManager health,
      Telemetry telemetry,
      JobMeters meters,
      ClusterGauges gauges,
      ScrapeTargets targets) {}

  /**
   * Begins a term: reads the jobs, and goes on with those that had not ended.
   *
   * @param database closed with the term
   * @param isLeading whether files may be written and deleted
   * @throws dev.longtake.common.error.LongtakeException what is wrong with the database or the folder; nothing is left behind
   */
  static Term begin(Surroundings given, JobDatabase database, BooleanSupplier isLeading) {
    Startup startup = new Startup(given.nanoTime());
    try {
      return begin(given, database, isLeading, startup);
    } catch (Throwable e) {
      startup.close();
      database.close();
      throw e;
    }
  }

  private static Term begin(
      Surroundings given, JobDatabase database, BooleanSupplier isLeading, Startup startup) {
    CoordinatorConfig config = given.config();
    DataFolder data = given.data();
    data.deleteUnfinished();
    Fleet fleet =
        startup.step(
            "fleet",
            () ->
                new Fleet(
                    given.build(),
                    config.tls(),
                    given.telemetry().tracing().clientInterceptor(),
                    config.heartbeatInterval(),
                    given.nanoTime(),
                    given.timer()),
            Fleet::close);
    ExecutorService runs =
        startup.step(
            "job threads",
            () -> Executors.newThreadPerTaskExecutor(Thread.ofPlatform().name("job-", 1).factory()),
            executor -> Stopping.stop("jobs", executor, config.shutdownTimeout()));
    JobArtifacts artifacts = new JobArtifacts(data.jobs(), data.videos(), isLeading);
    JobStore jobs =
        startup.step(
            "job store",
            () ->
                JobStore.open(
                    database,
                    artifacts,
                    config.queueLimit(),
                    given.clock(),
                    given.random(),
                    given.meters()),
            JobStore::close);
    Measurer measurer =
        startup.step(
            "measurer",
            () ->
                new Measurer(
                    fleet,
                    given.calls(),
                    given.timer(),
                    given.nanoTime(),
                    given.clock(),
                    () -> jobs.counts().queued() > 0),
            Measurer::close);
    fleet.addListener(measurer);
    startup.step(
        "metrics",
        () -> {
          given.gauges().begin(fleet, jobs, isLeading);
          given.targets().begin(fleet);
          return given;
        },
        ended -> {
          ended.gauges().end();
          ended.targets().end();
        });
    TraceFiles traces = TraceFiles.open(data.traces(), TraceFiles.KEPT_JOBS);
    RunSettings settings =
        new RunSettings(
            data.spool(),
            config.checkpointEvery(),
            MAX_FRUITLESS_ATTEMPTS,
            config.exchangeTimeout(),
            config.stallTimeout(),
            config.heartbeatInterval().multipliedBy(CAUSE_GRACE_HEARTBEATS));
    JobRunner runner =
        new JobRunner(
            jobs,
            artifacts,
            fleet,
            measurer,
            traces,
            new FrameEncoder(config.encodeTimeout()),
            settings,
            given.nanoTime(),
            given.timer(),
            given.meters());
    startup.step(
        "scheduler",
        () -> {
          JobScheduler scheduler =
              new JobScheduler(
                  jobs,
                  fleet,
                  measurer,
                  given.planning(),
                  config.mixedDevices(),
                  runner,
                  runs,
                  given.meters());
          scheduler.start();
          return scheduler;
        },
        JobScheduler::close);
    Health health =
        startup.step(
            "health",
            () -> Health.watch(fleet, jobs, given.health(), given.timer()),
            Health::close);
    // Beside, since it takes a second, which the first job's frames then need not wait for.
    given.calls().execute(() -> health.checkEncoder(data.spool()));
    return new Term(startup, jobs, fleet, services(given, fleet, jobs, artifacts, traces));
  }

  private static List<BindableService> services(
      Surroundings given, Fleet fleet, JobStore jobs, JobArtifacts artifacts, TraceFiles traces) {
    GenerationService generation =
        new GenerationService(
            fleet,
            jobs,
            given.planning(),
            artifacts,
            traces,
            new MediaReader(given.data().spool()),
            given.config().encodeTimeout(),
            given.embeddings(),
            given.random(),
            given.nanoTime(),
            given.calls());
    ClusterService cluster =
        new ClusterService(
            fleet,
            jobs::counts,
            given.embeddings()::status,
            given.planning(),
            given.random(),
            Build.version(),
            given.build(),
            given.clock());
    return List.of(
        ErrorMappingInterceptor.around(generation), ErrorMappingInterceptor.around(cluster));
  }

  List<BindableService> services() {
    return services;
  }

  /** Stops in bounded time: jobs that haven't ended go on in the next term, watchers and workers are told. */
  @Override
  public void close() {
    jobs.close();
    fleet.close();
    startup.close();
  }
}
