package dev.longtake.coordinator;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.metrics.CacheMeters;
import dev.longtake.common.metrics.Telemetry;
import dev.longtake.common.process.Build;
import dev.longtake.common.rpc.Endpoints;
import dev.longtake.coordinator.access.AccessInterceptor;
import dev.longtake.coordinator.cache.EmbeddingCache;
import dev.longtake.coordinator.cache.EmbeddingCacheSettings;
import dev.longtake.coordinator.cache.EmbeddingFiles;
import dev.longtake.coordinator.database.Postgresql;
import dev.longtake.coordinator.database.SqlJobDatabase;
import dev.longtake.coordinator.jobs.JobMeters;
import dev.longtake.coordinator.jobs.Planning;
import dev.longtake.coordinator.leader.Leadership;
import dev.longtake.coordinator.web.SharedServices;
import dev.longtake.coordinator.web.WebServer;
import io.grpc.Server;
import io.grpc.ServerInterceptor;
import io.grpc.protobuf.services.HealthStatusManager;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.binder.grpc.MetricCollectingServerInterceptor;
import java.security.SecureRandom;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.function.LongSupplier;

/**
 * A running coordinator: the Generation and Cluster services on one port, and, while it leads, a {@link Term} behind them. With SQLite it
 * leads for all its life.
 */
public final class Coordinator implements AutoCloseable {
  private final Startup startup;
  private final String address;
  private final Server server;
  private final Optional<WebServer> web;

  private Coordinator(Startup startup, String address, Server server, Optional<WebServer> web) {
    this.startup = startup;
    this.address = address;
    this.server = server;
    this.web = web;
  }

  /** Starts a coordinator on the system's clocks that shows no metrics. */
  public static Coordinator start(CoordinatorConfig config) {
    return start(config, Telemetry.hidden());
  }

  /**
   * Starts a coordinator on the system's clocks.
   *
   * @param telemetry of the process, the caller's
   * @throws LongtakeException PORT_IN_USE, or what is wrong with the data folder or the database; nothing is left behind
   */
  public static Coordinator start(CoordinatorConfig config, Telemetry telemetry) {
    return start(
        config,
        InstantSource.system(),
        System::nanoTime,
        Optional.empty(),
        Planning.ofPlanner(config.mixedDevices()),
        Build.id(),
        telemetry);
  }

  /**
   * @param givenTimer for heartbeat checks and short retries, the caller's; empty for an own one
   * @param build that workers must have too
   * @param telemetry of the process
   */
  static Coordinator start(
      CoordinatorConfig config,
      InstantSource clock,
      LongSupplier nanoTime,
      Optional<ScheduledExecutorService> givenTimer,
      Planning planning,
      String build,
      Telemetry telemetry) {
    Startup startup = new Startup(nanoTime);
    try {
      return start(config, clock, nanoTime, givenTimer, planning, build, telemetry, startup);
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
      Telemetry telemetry,
      Startup startup) {
    String name = config.advertise() == null ? config.host() : config.advertise();
    String url = config.database();
    DataFolder data =
        startup.step(
            "data folder",
            () -> DataFolder.open(config.dataFolder(), /* isShared= */ url != null),
            DataFolder::close);
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
            executor -> Stopping.stop("calls", executor, config.shutdownTimeout()));
    Optional<Postgresql> shared =
        Optional.ofNullable(url).map(given -> Postgresql.open(given, config.lease()));
    HealthStatusManager health = new HealthStatusManager();
    Health.notLeading(health);
    JobMeters meters = new JobMeters(telemetry.registry(), telemetry.tracing());
    ScrapeTargets targets = new ScrapeTargets();
    targets.show(telemetry, name);
    Term.Surroundings surroundings =
        new Term.Surroundings(
            config,
            data,
            clock,
            nanoTime,
            timer,
            calls,
            planning,
            build,
            new SecureRandom(),
            embeddings(config, data, telemetry.registry(), nanoTime),
            health,
            telemetry,
            meters,
            new ClusterGauges(telemetry, meters, config.queueLimit(), clock),
            targets);
    Terms terms = new Terms(surroundings, shared);
    SharedServices services =
        new SharedServices(terms.gate().services(), health, interceptors(config, telemetry), calls);
    Server server =
        startup.step(
            "server",
            () ->
                Endpoints.serve(
                    config.host(),
                    config.port(),
                    calls,
                    health,
                    services.services(),
                    config.serverTls(),
                    services.interceptors()),
            started -> Stopping.stop(started, config.shutdownTimeout()));
    Optional<WebServer> web =
        Optional.ofNullable(config.http())
            .map(http ->
                startup.step(
                    "HTTP",
                    () ->
                        WebServer.start(
                            http,
                            config.serverTls(),
                            config.advertise(),
                            services,
                            telemetry.registry()),
                    WebServer::close));
    shared.ifPresentOrElse(
        database -> {
          Leadership leadership =
              new Leadership(
                  database.leases(),
                  UUID.randomUUID().toString(),
                  name + ":" + server.getPort(),
                  config.lease(),
                  nanoTime,
                  terms);
          terms.follow(leadership::leaderAddress);
          startup.step(
              "leadership",
              () -> {
                leadership.start();
                return leadership;
              },
              Leadership::close);
        },
        () ->
            startup.step(
                "term",
                () -> {
                  terms.begin(SqlJobDatabase.sqlite(data.database()), () -> true);
                  return terms;
                },
                Terms::end));
    // The first to be undone, so that clients look for another coordinator early.
    startup.step("health", () -> health, HealthStatusManager::enterTerminalState);
    return new Coordinator(startup, config.host() + ":" + server.getPort(), server, web);
  }

  private static List<ServerInterceptor> interceptors(
      CoordinatorConfig config, Telemetry telemetry) {
    List<ServerInterceptor> interceptors = new ArrayList<>();
    interceptors.add(new MetricCollectingServerInterceptor(telemetry.registry()));
    interceptors.add(new AccessInterceptor(config.access()));
    telemetry.tracing().serverInterceptor().ifPresent(interceptors::add);
    return interceptors;
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

  private static ScheduledExecutorService newTimer() {
    return Executors.newSingleThreadScheduledExecutor(
        Thread.ofPlatform().name("coord-timer").daemon().factory());
  }

  /** host:port, with the real port where any was asked for. */
  public String address() {
    return address;
  }

  /** Where the page is; empty where no HTTP is served. */
  public String httpUrl() {
    return web.map(WebServer::url).orElse("");
  }

  /** Blocks until {@link #close} was called by another thread, for example a shutdown hook. */
  public void awaitStop() throws InterruptedException {
    server.awaitTermination();
  }

  /**
   * Stops in bounded time: jobs that haven't ended are kept and go on when a coordinator is started with the same data or leads after this
   * one, watchers and workers are told, then the port is free. Closing twice has no effect.
   */
  @Override
  public synchronized void close() {
    startup.close();
  }
}
