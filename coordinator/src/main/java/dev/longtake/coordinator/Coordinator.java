package dev.longtake.coordinator;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.metrics.CacheMeters;
import dev.longtake.common.process.Build;
import dev.longtake.common.rpc.Endpoints;
import dev.longtake.coordinator.api.ClusterService;
import dev.longtake.coordinator.api.ErrorMappingInterceptor;
import dev.longtake.coordinator.api.GenerationService;
import dev.longtake.coordinator.artifacts.JobArtifacts;
import dev.longtake.coordinator.cache.EmbeddingCache;
import dev.longtake.coordinator.cache.EmbeddingCacheSettings;
import dev.longtake.coordinator.cache.EmbeddingFiles;
import dev.longtake.coordinator.database.JobDatabase;
import dev.longtake.coordinator.database.SqlJobDatabase;
import dev.longtake.coordinator.fleet.Fleet;
import dev.longtake.coordinator.jobs.FrameEncoder;
import dev.longtake.coordinator.jobs.JobRunner;
import dev.longtake.coordinator.jobs.JobScheduler;
import dev.longtake.coordinator.jobs.JobStore;
import dev.longtake.coordinator.jobs.Planning;
import dev.longtake.coordinator.jobs.RunSettings;
import dev.longtake.coordinator.measure.Measurer;
import dev.longtake.coordinator.trace.TraceFiles;
import dev.longtake.coordinator.video.MediaReader;
import io.grpc.BindableService;
import io.grpc.Server;
import io.grpc.protobuf.services.HealthStatusManager;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A running coordinator: the Generation and Cluster services on one port, and everything behind them. */
public final class Coordinator implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(Coordinator.class);

  /** A frozen worker is removed after three or four intervals; then its own loss is known to be the cause. */
  private static final int CAUSE_GRACE_HEARTBEATS = Fleet.MISSED_HEARTBEATS + 2;

  /** What fails again and again with no step done is not the cluster's weather. */
  private static final int MAX_FRUITLESS_ATTEMPTS = 10;

  private final Startup startup;
  private final String address;
  private final Server server;

  private Coordinator(Startup startup, String address, Server server) {
    this.startup = startup;
    this.address = address;
    this.server = server;
  }

  /**
   * Starts a coordinator on the system's clocks.
   *
   * @throws LongtakeException PORT_IN_USE, or what is wrong with the data folder; nothing is left behind
   */
  public static Coordinator start(CoordinatorConfig config) {
    return start(
        config,
        InstantSource.system(),
        System::nanoTime,
        Optional.empty(),
        Planning.ofPlanner(),
        Build.id(),
        new SimpleMeterRegistry());
  }

  /**
   * @param givenTimer for heartbeat checks and short retries, the caller's; empty for an own one
   * @param build that workers must have too
   * @param registry of the process
   */
  static Coordinator start(
      CoordinatorConfig config,
      InstantSource clock,
      LongSupplier nanoTime,
      Optional<ScheduledExecutorService> givenTimer,
      Planning planning,
      String build,
      MeterRegistry registry) {
    Startup startup = new Startup(nanoTime);
    try {
      return start(config, clock, nanoTime, givenTimer, planning, build, registry, startup);
    } catch (Throwable e) {
      startup.close();
      throw e;
    }
  }

  private static Coordinator start(
      CoordinatorConfig config,
      InstantSource clock,
      LongSupplier nanoTime,
      Optional<ScheduledExecutorService> givenTimer,
      Planning planning,
      String build,
      MeterRegistry registry,
      Startup startup) {
    long stopNanos = config.shutdownTimeout().toNanos();
    SecureRandom random = new SecureRandom();
    DataFolder data =
        startup.step("data folder", () -> DataFolder.open(config.dataFolder()), DataFolder::close);
    ScheduledExecutorService timer =
        startup.step(
            "timer",
            () -> givenTimer.orElseGet(Coordinator::newTimer),
            t -> {
              if (givenTimer.isEmpty()) {
                t.shutdownNow();
              }
            });
    ExecutorService calls =
        startup.step(
            "call executor",
            Executors::newVirtualThreadPerTaskExecutor,
            executor -> stop("calls", executor, stopNanos));
    Fleet fleet =
        startup.step(
            "fleet",
            () -> new Fleet(build, config.tls(), config.heartbeatInterval(), nanoTime, timer),
            Fleet::close);
    ExecutorService runs =
        startup.step(
            "job threads",
            () -> Executors.newThreadPerTaskExecutor(Thread.ofPlatform().name("job-", 1).factory()),
            executor -> stop("jobs", executor, stopNanos));
    JobArtifacts artifacts = new JobArtifacts(data.jobs(), data.videos());
    JobStore jobs =
        startup.step(
            "job store",
            () ->
                JobStore.open(
                    database(config, data), artifacts, config.queueLimit(), clock, random),
            JobStore::close);
    Measurer measurer =
        startup.step(
            "measurer",
            () ->
                new Measurer(
                    fleet, calls, timer, nanoTime, clock, () -> jobs.counts().queued() > 0),
            Measurer::close);
    fleet.addListener(measurer);
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
            nanoTime,
            timer);
    startup.step(
        "scheduler",
        () -> {
          JobScheduler scheduler = new JobScheduler(jobs, fleet, measurer, planning, runner, runs);
          scheduler.start();
          return scheduler;
        },
        JobScheduler::close);
    EmbeddingCache embeddings = embeddings(config, data, registry, nanoTime);
    HealthStatusManager health = new HealthStatusManager();
    startup.step("health", () -> Health.watch(fleet, jobs, health, timer), Health::close);
    Server server =
        startup.step(
            "server",
            () ->
                Endpoints.serve(
                    config.host(),
                    config.port(),
                    calls,
                    health,
                    services(
                        config,
                        fleet,
                        jobs,
                        artifacts,
                        planning,
                        traces,
                        new MediaReader(data.spool()),
                        embeddings,
                        random,
                        nanoTime,
                        calls),
                    config.tls()),
            started -> {
              health.enterTerminalState();
              jobs.close();
              fleet.close();
              stop(started, config.shutdownTimeout());
            });
    return new Coordinator(startup, config.host() + ":" + server.getPort(), server);
  }

  private static EmbeddingCache embeddings(
      CoordinatorConfig config, DataFolder data, MeterRegistry registry, LongSupplier nanoTime) {
    EmbeddingCacheSettings settings = config.embeddings();
    return new EmbeddingCache(
        settings,
        settings.diskBytes() == 0
            ? null
            : EmbeddingFiles.open(data.embeddings(), settings.diskBytes()),
        // Each of those that wait for it waits no longer than whoever asked first.
        config.encodeTimeout(),
        new CacheMeters(registry, EmbeddingCache.TIER, /* model= */ "all"),
        nanoTime);
  }

  private static List<BindableService> services(
      CoordinatorConfig config,
      Fleet fleet,
      JobStore jobs,
      JobArtifacts artifacts,
      Planning planning,
      TraceFiles traces,
      MediaReader media,
      EmbeddingCache embeddings,
      SecureRandom random,
      LongSupplier nanoTime,
      ExecutorService calls) {
    GenerationService generation =
        new GenerationService(
            fleet,
            jobs,
            planning,
            artifacts,
            traces,
            media,
            config.encodeTimeout(),
            embeddings,
            random,
            nanoTime,
            calls);
    ClusterService cluster =
        new ClusterService(
            fleet, jobs::counts, embeddings::status, planning, random, Build.version());
    return List.of(
        ErrorMappingInterceptor.around(generation), ErrorMappingInterceptor.around(cluster));
  }

  private static ScheduledExecutorService newTimer() {
    return Executors.newSingleThreadScheduledExecutor(
        Thread.ofPlatform().name("coord-timer").daemon().factory());
  }

  private static JobDatabase database(CoordinatorConfig config, DataFolder data) {
    String url = config.database();
    return url == null ? SqlJobDatabase.sqlite(data.database()) : SqlJobDatabase.postgresql(url);
  }

  /** Watchers have been told to come back and workers their reason; a bounded while lets those messages leave. */
  private static void stop(Server server, Duration timeout) {
    server.shutdown();
    try {
      if (!server.awaitTermination(timeout.toNanos(), TimeUnit.NANOSECONDS)) {
        log.warn("Calls were still open after {} s; they are cut off", timeout.toSeconds());
        server.shutdownNow();
        server.awaitTermination(timeout.toNanos(), TimeUnit.NANOSECONDS);
      }
    } catch (InterruptedException e) {
      server.shutdownNow();
      Thread.currentThread().interrupt();
    }
  }

  private static void stop(String name, ExecutorService executor, long timeoutNanos) {
    executor.shutdown();
    try {
      if (!executor.awaitTermination(timeoutNanos, TimeUnit.NANOSECONDS)) {
        log.warn("The {} did not end in time; they are interrupted", name);
        executor.shutdownNow();
      }
    } catch (InterruptedException e) {
      executor.shutdownNow();
      Thread.currentThread().interrupt();
    }
  }

  /** host:port, with the real port where any was asked for. */
  public String address() {
    return address;
  }

  /** Blocks until {@link #close} was called by another thread, for example a shutdown hook. */
  public void awaitStop() throws InterruptedException {
    server.awaitTermination();
  }

  /**
   * Stops in bounded time: jobs that haven't ended are kept and go on when a coordinator is started with the same data, watchers and
   * workers are told, then the port is free. Closing twice has no effect.
   */
  @Override
  public synchronized void close() {
    startup.close();
  }
}
