package dev.longtake.coordinator;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.metrics.Telemetry;
import dev.longtake.common.metrics.TelemetryOptions;
import dev.longtake.common.options.ByteSize;
import dev.longtake.common.options.ConfigOptions;
import dev.longtake.common.process.LogOptions;
import dev.longtake.common.process.ParentWatch;
import dev.longtake.common.process.ReadyLine;
import dev.longtake.common.tls.PlaintextOption;
import dev.longtake.common.tls.TlsIdentity;
import dev.longtake.common.tls.TlsOptions;
import dev.longtake.coordinator.access.Access;
import dev.longtake.coordinator.cache.EmbeddingCacheSettings;
import dev.longtake.coordinator.web.HttpConfig;
import dev.longtake.coordinator.web.HttpOptions;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code longtake coordinator}: serves until it is told to stop. */
@Command(
    name = "coordinator",
    mixinStandardHelpOptions = true,
    description =
        "Runs a coordinator: takes prompts, shares each job among the workers that have joined,"
            + " keeps the videos.",
    exitCodeListHeading = "%nExit codes:%n",
    exitCodeList = {
      "0:it stopped with its parent (143 after SIGTERM)",
      "1:it failed while running",
      "2:an option is wrong, the port is in use, or the data folder can't be used"
    },
    sortOptions = false)
public final class CoordinatorCommand implements Callable<Integer> {
  @Mixin private ConfigOptions config = new ConfigOptions();

  @Option(
      names = "--host",
      paramLabel = "HOST",
      defaultValue = "127.0.0.1",
      description = "Interface to listen on (default: ${DEFAULT-VALUE}).")
  private String host = "127.0.0.1";

  @Option(
      names = "--port",
      paramLabel = "PORT",
      defaultValue = "7400",
      description = "Port to listen on, 0 for any free one (default: ${DEFAULT-VALUE}).")
  private int port;

  @Option(
      names = "--data",
      paramLabel = "DIR",
      defaultValue = "${sys:user.home}/.local/share/longtake",
      description = "Folder for jobs and their videos (default: ${DEFAULT-VALUE}).")
  private Path data = Path.of("");

  @Option(
      names = "--database",
      paramLabel = "URL",
      description =
          "jdbc:postgresql://HOST:PORT/DATABASE?user=...&password=... to store jobs in (default: a"
              + " SQLite file in the data folder). Several coordinators may have the same, and the"
              + " same folder: one leads, the others stand by.")
  private @Nullable String database;

  @Option(
      names = "--advertise",
      paramLabel = "HOST",
      description =
          "What clients call this coordinator by, with --database; standbys tell them (default:"
              + " --host).")
  private @Nullable String advertise;

  @Option(
      names = "--lease",
      paramLabel = "TIME",
      defaultValue = "5s",
      converter = DurationConverter.class,
      description =
          "With --database, how long a coordinator that is dead or cut off leads before a standby"
              + " does, 2s to 5m; the same for all of them (default: ${DEFAULT-VALUE}).")
  private Duration lease = CoordinatorConfig.DEFAULT_LEASE;

  @Option(
      names = "--checkpoint-every",
      paramLabel = "STEPS",
      defaultValue = "" + CoordinatorConfig.DEFAULT_CHECKPOINT_EVERY,
      description =
          "Keep what a job has computed after every so many steps, 0: never (default:"
              + " ${DEFAULT-VALUE}).")
  private int checkpointEvery;

  @Option(
      names = "--queue-limit",
      paramLabel = "JOBS",
      defaultValue = "" + CoordinatorConfig.DEFAULT_QUEUE_LIMIT,
      description = "Most jobs that wait; further ones are refused (default: ${DEFAULT-VALUE}).")
  private int queueLimit;

  @Option(
      names = "--mixed-devices",
      description =
          "Let workers on processors and on GPUs share a job. Its bytes then depend on who had"
              + " which part (default: a job is for workers of one kind).")
  private boolean mixedDevices;

  @Option(
      names = "--embedding-cache",
      paramLabel = "SIZE",
      converter = ByteSize.Converter.class,
      description =
          "Heap for encoded prompts, so that the text encoder runs once for each; 0 turns it off"
              + " (default: 64M, or an eighth of a small heap).")
  private @Nullable ByteSize embeddingCache;

  @Option(
      names = "--embedding-disk",
      paramLabel = "SIZE",
      defaultValue = "0",
      converter = ByteSize.Converter.class,
      description =
          "Of the data folder, for encoded prompts across restarts (default: ${DEFAULT-VALUE}, none"
              + " are kept).")
  private ByteSize embeddingDisk = new ByteSize(0);

  @Option(
      names = "--embedding-cache-expiry",
      paramLabel = "TIME",
      converter = DurationConverter.class,
      description = "Encoded prompts that nobody has used for this long go (default: never).")
  private @Nullable Duration embeddingCacheExpiry;

  @Option(
      names = "--exchange-timeout",
      paramLabel = "TIME",
      defaultValue = "30s",
      converter = DurationConverter.class,
      description =
          "How long a worker waits for a peer, such as 500ms, 30s, 2m (default: ${DEFAULT-VALUE}).")
  private Duration exchangeTimeout = CoordinatorConfig.DEFAULT_EXCHANGE_TIMEOUT;

  @Mixin private TlsOptions tls = new TlsOptions();
  @Mixin private PlaintextOption plaintext = new PlaintextOption();

  @Option(
      names = "--access",
      paramLabel = "FILE",
      description =
          "Keys that callers must show, their roles and tenants; see 'longtake new-key' (default:"
              + " whoever can connect may do everything).")
  private @Nullable Path access;

  @Mixin private HttpOptions http = new HttpOptions();
  @Mixin private TelemetryOptions telemetryOptions = new TelemetryOptions();
  @Mixin private LogOptions log = new LogOptions();

  @Option(
      names = "--exit-with-parent",
      description = "End when standard input ends, that is with the process that started this one.")
  private boolean exitWithParent;

  @Spec private CommandSpec spec = CommandSpec.create();

  /** Serves until the process is told to end; returns the exit code. */
  @Override
  public Integer call() throws InterruptedException {
    if (config.isToPrint()) {
      config.print();
      return ExitCode.OK;
    }
    log.apply();
    try {
      TlsIdentity identity = tls.identity();
      plaintext.check(host, identity);
      HttpConfig httpConfig = http.config(host);
      if (httpConfig != null) {
        plaintext.check("--http-host", httpConfig.host(), identity);
      }
      CoordinatorConfig settings =
          new CoordinatorConfig(
              host,
              port,
              identity,
              access == null ? Access.open() : Access.of(access),
              data,
              database,
              advertise,
              lease,
              checkpointEvery,
              queueLimit,
              mixedDevices,
              new EmbeddingCacheSettings(
                  embeddingCacheBytes(), embeddingDisk.bytes(), embeddingCacheExpiry),
              exchangeTimeout,
              CoordinatorConfig.DEFAULT_HEARTBEAT_INTERVAL,
              CoordinatorConfig.DEFAULT_ENCODE_TIMEOUT,
              CoordinatorConfig.DEFAULT_STALL_TIMEOUT,
              CoordinatorConfig.DEFAULT_SHUTDOWN_TIMEOUT,
              httpConfig);
      try (Telemetry telemetry = telemetryOptions.open("longtake-coordinator");
          Coordinator coordinator = Coordinator.start(settings, telemetry)) {
        Thread stop = new Thread(() -> stop(coordinator, telemetry), "shutdown");
        Runtime.getRuntime().addShutdownHook(stop);
        if (exitWithParent) {
          ParentWatch.exitWithParent();
        }
        new ReadyLine(
                "coordinator",
                coordinator.address(),
                telemetry.address(host),
                coordinator.httpUrl())
            .print();
        coordinator.awaitStop();
        return ExitCode.OK;
      }
    } catch (LongtakeException e) {
      spec.commandLine()
          .getErr()
          .println("longtake coordinator: " + config.explain(e.getMessage()));
      return e.code().category() == ErrorCode.Category.USER ? ExitCode.USAGE : ExitCode.SOFTWARE;
    }
  }

  /** The system waits for this, and for no other thread. */
  private static void stop(Coordinator coordinator, Telemetry telemetry) {
    coordinator.close();
    telemetry.tracing().flush();
  }

  private long embeddingCacheBytes() {
    return embeddingCache == null ? EmbeddingCacheSettings.defaultBytes() : embeddingCache.bytes();
  }
}
