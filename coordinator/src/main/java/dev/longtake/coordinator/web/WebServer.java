package dev.longtake.coordinator.web;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.process.Build;
import dev.longtake.common.tls.TlsIdentity;
import dev.longtake.coordinator.web.http.ApiError;
import dev.longtake.coordinator.web.http.Calls;
import dev.longtake.coordinator.web.http.HeadDeadline;
import dev.longtake.coordinator.web.http.HttpLimits;
import dev.longtake.coordinator.web.http.HttpMeters;
import dev.longtake.coordinator.web.http.OriginGuard;
import dev.longtake.coordinator.web.http.Route;
import dev.longtake.coordinator.web.http.RouteGroup;
import dev.longtake.coordinator.web.http.Router;
import dev.longtake.coordinator.web.json.JobFiles;
import dev.longtake.coordinator.web.json.MethodRoutes;
import dev.longtake.coordinator.web.json.OpenApi;
import dev.longtake.coordinator.web.openai.OpenAiErrors;
import dev.longtake.coordinator.web.openai.VideoRoutes;
import dev.longtake.v1.ClusterGrpc;
import dev.longtake.v1.GenerationGrpc;
import io.grpc.ServiceDescriptor;
import io.micrometer.core.instrument.MeterRegistry;
import java.io.IOException;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.Executors;
import org.eclipse.jetty.server.ConnectionFactory;
import org.eclipse.jetty.server.HttpConfiguration;
import org.eclipse.jetty.server.HttpConnectionFactory;
import org.eclipse.jetty.server.NetworkConnectionLimit;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.server.handler.GracefulHandler;
import org.eclipse.jetty.util.thread.QueuedThreadPool;
import org.jspecify.annotations.Nullable;

/** The HTTP server of a coordinator. Each request has a virtual thread, which makes a call of the services in this process. */
public final class WebServer implements AutoCloseable {
  /** They accept, and tell requests' threads that bytes came. */
  private static final int MAX_EVENT_THREADS = 8;

  private static final int MIN_EVENT_THREADS = 2;

  /** For answers under way, when calls have ended. */
  private static final long STOP_MILLIS = 2_000;

  private final HttpConfig config;
  private final boolean isSecure;
  private final LocalServer local;
  private final Server server;
  private final ServerConnector connector;

  private WebServer(
      HttpConfig config,
      boolean isSecure,
      LocalServer local,
      Server server,
      ServerConnector connector) {
    this.config = config;
    this.isSecure = isSecure;
    this.local = local;
    this.server = server;
    this.connector = connector;
  }

  /**
   * Begins to serve.
   *
   * @param tls null for plain text
   * @param name by which others call this host, besides those of loopback; null for none
   * @param registry for the meters
   * @throws LongtakeException PORT_IN_USE
   */
  public static WebServer start(
      HttpConfig config,
      @Nullable TlsIdentity tls,
      @Nullable String name,
      SharedServices shared,
      MeterRegistry registry) {
    LocalServer local = LocalServer.start(shared);
    HttpLimits limits = config.limits();
    HttpMeters meters = new HttpMeters(registry);
    QueuedThreadPool threads = new QueuedThreadPool(MAX_EVENT_THREADS, MIN_EVENT_THREADS);
    threads.setName("http-events");
    threads.setVirtualThreadsExecutor(
        Executors.newThreadPerTaskExecutor(Thread.ofVirtual().name("http-", 0).factory()));
    Server server = new Server(threads);
    Router router =
        new Router(routes(new Calls(local.channel())), guard(config, tls, name), meters, limits);
    HeadDeadline deadline =
        new HeadDeadline(router, limits.headTime(), server.getScheduler(), meters);
    server.setHandler(new GracefulHandler(deadline));
    server.setErrorHandler(new PlainErrors());
    server.setStopTimeout(STOP_MILLIS);
    ServerConnector connector =
        new ServerConnector(server, 1, 1, factories(limits, tls).toArray(ConnectionFactory[]::new));
    connector.setHost(config.host());
    connector.setPort(config.port());
    connector.setIdleTimeout(limits.idleTime().toMillis());
    connector.addBean(deadline);
    server.addConnector(connector);
    server.addBean(new NetworkConnectionLimit(limits.connections(), server));
    WebServer web = new WebServer(config, tls != null, local, server, connector);
    try {
      server.start();
      return web;
    } catch (Exception e) {
      web.close();
      throw failure(config, e);
    }
  }

  private static List<ConnectionFactory> factories(HttpLimits limits, @Nullable TlsIdentity tls) {
    HttpConfiguration settings = new HttpConfiguration();
    settings.setSendServerVersion(false);
    settings.setRequestHeaderSize(limits.headerBytes());
    List<ConnectionFactory> factories = new ArrayList<>();
    HttpConnectionFactory http = new HttpConnectionFactory(settings);
    if (tls != null) {
      factories.add(Https.factory(tls, http.getProtocol()));
    }
    factories.add(http);
    return factories;
  }

  private static List<RouteGroup> routes(Calls calls) {
    List<ServiceDescriptor> services =
        List.of(GenerationGrpc.getServiceDescriptor(), ClusterGrpc.getServiceDescriptor());
    JobFiles files = new JobFiles(calls);
    List<Route> api = new ArrayList<>(MethodRoutes.of(services, calls));
    api.addAll(files.routes());
    return List.of(
        new RouteGroup("/api/", ApiError::json, api),
        new RouteGroup("/v1/", OpenAiErrors::json, new VideoRoutes(calls, files).routes()),
        new RouteGroup(
            "",
            ApiError::json,
            List.of(Healthz.route(calls), OpenApi.route(services, Build.version()), Page.route())));
  }

  /** Others' DNS may point at loopback; a certificate is only valid for its own names. */
  private static OriginGuard guard(
      HttpConfig config, @Nullable TlsIdentity tls, @Nullable String name) {
    if (tls != null || !isLoopback(config.host())) {
      return OriginGuard.ofNetwork();
    }
    return OriginGuard.ofLoopback(
        name == null
            ? Set.of(config.host().toLowerCase(Locale.ROOT))
            : Set.of(config.host().toLowerCase(Locale.ROOT), name.toLowerCase(Locale.ROOT)));
  }

  private static boolean isLoopback(String host) {
    try {
      return InetAddress.getByName(host).isLoopbackAddress();
    } catch (UnknownHostException e) {
      // Nothing can listen there: the server says so.
      return false;
    }
  }

  private static LongtakeException failure(HttpConfig config, Exception failure) {
    return failure instanceof IOException
        ? new LongtakeException(
            ErrorCode.PORT_IN_USE,
            "Expected port %d of %s to be free for HTTP, but another process listens there or the address is not this host's (%s); choose others with --http-port (0 for any free one) and --http-host"
                .formatted(config.port(), config.host(), failure.getMessage()),
            failure)
        : new LongtakeException(
            ErrorCode.INTERNAL, "Cannot serve HTTP: " + failure.getMessage(), failure);
  }

  /** Where the page is, for example {@code http://127.0.0.1:7480/}, with the real port where any was asked for. */
  public String url() {
    String host = config.host().contains(":") ? "[" + config.host() + "]" : config.host();
    return "%s://%s:%d/".formatted(isSecure ? "https" : "http", host, connector.getLocalPort());
  }

  /** Answers what is under way in bounded time; calls should have ended by then. */
  @Override
  public void close() {
    try {
      server.stop();
    } catch (Exception e) {
      throw new IllegalStateException("The HTTP server can't be stopped", e);
    } finally {
      local.close();
    }
  }
}
