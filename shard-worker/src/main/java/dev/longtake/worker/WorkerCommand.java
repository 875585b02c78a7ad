package dev.longtake.worker;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.metrics.Telemetry;
import dev.longtake.common.metrics.TelemetryOptions;
import dev.longtake.common.options.ByteSize;
import dev.longtake.common.options.ConfigOptions;
import dev.longtake.common.process.LogOptions;
import dev.longtake.common.process.ParentWatch;
import dev.longtake.common.process.ReadyLine;
import dev.longtake.common.rpc.ApiKeyOption;
import dev.longtake.common.rpc.Bearer;
import dev.longtake.common.rpc.Endpoints;
import dev.longtake.common.tls.PlaintextOption;
import dev.longtake.common.tls.TlsIdentity;
import dev.longtake.common.tls.TlsOptions;
import dev.longtake.common.tracing.Tracing;
import dev.longtake.worker.device.DeviceChoice;
import dev.longtake.worker.exchange.ExchangeSettings;
import dev.longtake.worker.service.ClusterMembership;
import dev.longtake.worker.service.Drain;
import dev.longtake.worker.service.MembershipSettings;
import dev.longtake.worker.service.WorkerNode;
import dev.longtake.worker.service.WorkerServer;
import dev.longtake.worker.service.WorkerSettings;
import io.micrometer.core.instrument.MeterRegistry;
import java.io.IOException;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.function.Function;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/**
 * {@code longtake worker}: serves a model until the process is told to end, or the coordinator tells it to leave or refuses it. Exit
 * status 0 after a drain, 143 or 130 without one, 2 for what the user must correct, 1 for what failed while running.
 */
@Command(
    name = "worker",
    mixinStandardHelpOptions = true,
    description = "Serves a model to a cluster, or to whoever calls it.")
public final class WorkerCommand implements Callable<Integer> {
  /** The exit status for what the user must correct. */
  private static final int USAGE = 2;

  private static final int RUNTIME_FAILURE = 1;

  private final Function<MeterRegistry, WorkerFactory> factories;

  @Spec private @Nullable CommandSpec spec;

  @Mixin private ConfigOptions config = new ConfigOptions();

  @Option(
      names = "--coordinator",
      paramLabel = "HOST:PORT",
      split = ",",
      description =
          "The coordinator to join, or, with commas, all of which one leads; without it the worker"
              + " just serves.")
  private List<String> coordinators = List.of();

  @Option(
      names = "--model",
      paramLabel = "DIR|FILE",
      required = true,
      description = "The model's folder, or a file with its weights.")
  private @Nullable Path model;

  @Option(
      names = "--host",
      paramLabel = "HOST",
      defaultValue = "127.0.0.1",
      description = "The interface to listen on (default: ${DEFAULT-VALUE}).")
  private String host = "127.0.0.1";

  @Option(
      names = "--port",
      paramLabel = "PORT",
      defaultValue = "0",
      description = "The port to listen on; 0: any free one (default: ${DEFAULT-VALUE}).")
  private int port;

  @Option(
      names = "--advertise",
      paramLabel = "HOST",
      description = "What others call this worker by (default: --host, or this host's address).")
  private @Nullable String advertise;

  @Option(
      names = "--id",
      paramLabel = "ID",
      description = "Unique in the cluster (default: the worker's host:port).")
  private @Nullable String id;

  @Option(
      names = "--device",
      paramLabel = "DEVICE",
      defaultValue = "cpu",
      description =
          "What the transformer runs on: "
              + DeviceChoice.FORMS
              + ". Text encoder and autoencoder run on the processor (default: ${DEFAULT-VALUE}).")
  private String device = "cpu";

  @Option(
      names = "--threads",
      paramLabel = "N",
      description = "Threads that compute (default: the number of processors).")
  private int threads = Runtime.getRuntime().availableProcessors();

  @Option(
      names = "--memory-limit",
      paramLabel = "SIZE",
      converter = ByteSize.Converter.class,
      description =
          "Memory for weights and activations, such as 8G (default: what the host has, or most of"
              + " what is free on the GPU).")
  private @Nullable ByteSize memoryLimit;

  @Option(
      names = "--condition-cache",
      paramLabel = "SIZE",
      converter = ByteSize.Converter.class,
      description =
          "Of that memory, what texts prepared for the blocks may take while no job needs it; 0"
              + " turns the cache off (default: an eighth, at most 1G).")
  private @Nullable ByteSize conditionCache;

  @Option(
      names = "--condition-cache-expiry",
      paramLabel = "SECONDS",
      description = "Prepared texts that nobody has used for this long go (default: never).")
  private @Nullable Integer conditionCacheExpirySeconds;

  @Option(
      names = "--chunk-bytes",
      paramLabel = "SIZE",
      defaultValue = "1M",
      converter = ByteSize.Converter.class,
      description = "Payload of one exchange message, up to 32M (default: ${DEFAULT-VALUE}).")
  private ByteSize chunkBytes = new ByteSize(1 << 20);

  @Option(
      names = "--connections",
      paramLabel = "N",
      defaultValue = "1",
      description =
          "Connections to each peer, up to 16; each takes about one processor (default:"
              + " ${DEFAULT-VALUE}).")
  private int connections = 1;

  @Option(
      names = "--no-shared-memory",
      description =
          "Send chunks to workers of this host through sockets, too, and not through memory that"
              + " both can see.")
  private boolean noSharedMemory;

  @Option(
      names = "--peer-timeout",
      paramLabel = "SECONDS",
      defaultValue = "5",
      description =
          "A peer that shows no sign of life for this long is given up: it is frozen or cut off"
              + " (default: ${DEFAULT-VALUE}).")
  private int peerTimeoutSeconds = 5;

  @Option(
      names = "--exchange-timeout",
      paramLabel = "SECONDS",
      defaultValue = "60",
      description =
          "How long a peer may be silent, where the order does not say (default:"
              + " ${DEFAULT-VALUE}).")
  private int exchangeTimeoutSeconds;

  @Option(
      names = "--join-timeout",
      paramLabel = "SECONDS",
      defaultValue = "20",
      description = "How long to look for the coordinator at first (default: ${DEFAULT-VALUE}).")
  private int joinTimeoutSeconds;

  @Option(
      names = "--max-orders",
      paramLabel = "N",
      defaultValue = "4",
      description =
          "Jobs that may be in work at once, taking turns on the device (default:"
              + " ${DEFAULT-VALUE}).")
  private int maxOrders = WorkerSettings.DEFAULT_MAX_ORDERS;

  @Option(
      names = "--drain-timeout",
      paramLabel = "SECONDS",
      defaultValue = "30",
      description =
          "How long a worker that is asked to end (SIGTERM) goes on with its orders; a second"
              + " signal ends it at once (default: ${DEFAULT-VALUE}).")
  private int drainTimeoutSeconds;

  @Mixin private TlsOptions tls = new TlsOptions();
  @Mixin private PlaintextOption plaintext = new PlaintextOption();
  @Mixin private ApiKeyOption apiKey = new ApiKeyOption();

  @Mixin private TelemetryOptions telemetryOptions = new TelemetryOptions();
  @Mixin private LogOptions log = new LogOptions();

  @Option(names = "--exit-with-parent", description = "End when standard input reaches its end.")
  private boolean exitWithParent;

  /** @param factories what opens devices and models, for the meters of the process */
  public WorkerCommand(Function<MeterRegistry, WorkerFactory> factories) {
    this.factories = factories;
  }

  @Override
  public Integer call() {
    if (config.isToPrint()) {
      config.print();
      return 0;
    }
    log.apply();
    try {
      serve();
      return 0;
    } catch (LongtakeException e) {
      error("longtake worker: " + config.explain(e.getMessage()));
      return e.code().category() == ErrorCode.Category.USER ? USAGE : RUNTIME_FAILURE;
    }
  }

  private void error(String line) {
    if (spec == null) {
      throw new IllegalStateException("Expected to be run by picocli");
    }
    spec.commandLine().getErr().println(line);
    spec.commandLine().getErr().flush();
  }

  private void serve() {
    if (exitWithParent) {
      ParentWatch.exitWithParent();
    }
    WorkerSettings settings = settings();
    String key = apiKey.key();
    try (Telemetry telemetry = telemetryOptions.open("longtake-worker")) {
      WorkerNode node =
          factories.apply(telemetry.registry()).open(requireModel(), deviceSettings());
      serve(settings, key, WorkerServer.start(settings, node, telemetry), telemetry.tracing());
    }
  }

  private void serve(WorkerSettings settings, String key, WorkerServer worker, Tracing tracing) {
    // On a signal the hook closes the worker while this thread still waits; closing twice has no
    // effect.
    var hook =
        Thread.ofPlatform()
            .name("lt-shutdown")
            .unstarted(() -> {
              worker.close();
              tracing.flush();
            });
    Runtime.getRuntime().addShutdownHook(hook);
    try {
      serveToTheEnd(worker, settings, key);
    } finally {
      worker.close();
      removeHook(hook);
    }
  }

  private void serveToTheEnd(WorkerServer worker, WorkerSettings settings, String key) {
    if (coordinators.isEmpty()) {
      serveUntilDrained(worker, /* membership= */ null);
      return;
    }
    var join =
        new MembershipSettings(
            Duration.ofSeconds(joinTimeoutSeconds),
            MembershipSettings.defaults().minBackoff(),
            MembershipSettings.defaults().maxBackoff());
    try (var membership =
        ClusterMembership.join(
            coordinators,
            settings.tls(),
            key,
            worker.introduction(),
            worker::report,
            join,
            RandomGenerator.getDefault())) {
      serveUntilDrained(worker, membership);
    }
  }

  /** The life of the process. */
  private void serveUntilDrained(WorkerServer worker, @Nullable ClusterMembership membership) {
    var drain = new Drain(worker, membership, Duration.ofSeconds(drainTimeoutSeconds));
    TerminationSignal.onFirst(drain::begin);
    new ReadyLine("worker", worker.address(), worker.description().getMetricsAddress()).print();
    drain.await();
  }

  private static void removeHook(Thread hook) {
    try {
      Runtime.getRuntime().removeShutdownHook(hook);
    } catch (IllegalStateException e) {
      // The process is ending already, and the hook with it.
    }
  }

  private WorkerSettings settings() {
    coordinators.forEach(Endpoints::requireAddress);
    requireAtLeastOne("--threads", threads);
    requireAtLeastOne("--exchange-timeout", exchangeTimeoutSeconds);
    requireAtLeastOne("--peer-timeout", peerTimeoutSeconds);
    requireAtLeastOne("--join-timeout", joinTimeoutSeconds);
    requireAtLeastOne("--max-orders", maxOrders);
    if (drainTimeoutSeconds < 0) {
      throw LongtakeException.invalidField(
          "--drain-timeout",
          "Expected --drain-timeout of 0 (end at once) or more, but got " + drainTimeoutSeconds);
    }
    TlsIdentity identity = tls.identity();
    plaintext.check(host, identity);
    return new WorkerSettings(
        host,
        port,
        advertise != null ? advertise : advertisedHost(),
        id,
        identity,
        // Without a coordinator nobody could tell callers a token.
        coordinators.isEmpty() ? "" : Bearer.newSecret(new SecureRandom()),
        ExchangeSettings.defaults()
            .withChunkBytes((int) Math.min(Integer.MAX_VALUE, chunkBytes.bytes()))
            .withConnections(connections)
            .withSharedMemory(!noSharedMemory)
            .withPeerTimeout(Duration.ofSeconds(peerTimeoutSeconds)),
        Duration.ofSeconds(exchangeTimeoutSeconds),
        WorkerSettings.DEFAULT_EVENT_TIMEOUT,
        maxOrders);
  }

  private static void requireAtLeastOne(String option, int value) {
    if (value < 1) {
      throw LongtakeException.invalidField(
          option, "Expected %s of 1 or more, but got %d".formatted(option, value));
    }
  }

  private DeviceSettings deviceSettings() {
    if (memoryLimit != null && memoryLimit.bytes() < 1) {
      throw LongtakeException.invalidField(
          "--memory-limit", "Expected a --memory-limit above 0, but got 0");
    }
    if (conditionCacheExpirySeconds != null) {
      requireAtLeastOne("--condition-cache-expiry", conditionCacheExpirySeconds);
    }
    return new DeviceSettings(
        DeviceChoice.parse(device),
        threads,
        memoryLimit == null ? null : memoryLimit.bytes(),
        conditionCache == null ? null : conditionCache.bytes(),
        conditionCacheExpirySeconds == null
            ? null
            : Duration.ofSeconds(conditionCacheExpirySeconds));
  }

  private Path requireModel() {
    if (model == null || !Files.exists(model)) {
      throw new LongtakeException(
          ErrorCode.INVALID_MODEL,
          "Expected a folder or file with a model, but there is no '%s'; correct --model"
              .formatted(model));
    }
    return model;
  }

  /** Listening on all interfaces, the one that leads to the coordinator is what others can reach. */
  private String advertisedHost() {
    if (!host.equals("0.0.0.0") && !host.equals("::")) {
      return host;
    }
    try {
      if (coordinators.isEmpty()) {
        return InetAddress.getLocalHost().getHostAddress();
      }
      String coordinator = coordinators.getFirst();
      int colon = coordinator.lastIndexOf(':');
      int coordinatorPort = Integer.parseInt(coordinator.substring(colon + 1));
      // Connecting a datagram socket sends nothing; it only asks the routing table.
      try (var socket = new DatagramSocket()) {
        socket.connect(new InetSocketAddress(coordinator.substring(0, colon), coordinatorPort));
        return socket.getLocalAddress().getHostAddress();
      }
    } catch (IOException | RuntimeException e) {
      throw new LongtakeException(
          ErrorCode.INVALID_REQUEST,
          "Expected to find this host's address, but could not (%s); give it with --advertise"
              .formatted(e.getMessage()),
          e);
    }
  }
}
