package dev.longtake.ops.launcher;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.process.JavaProcess;
import dev.longtake.common.process.ServerJvm;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Stream;

/**
 * A coordinator and its workers as processes of this machine, on loopback. They live no longer than this process, however
 * it ends. Logs and the coordinator's data are in a temporary folder, which goes with the cluster unless something failed.
 */
final class LocalCluster implements AutoCloseable {
  private static final String LOOPBACK = "127.0.0.1";
  private static final Duration START_TIMEOUT = Duration.ofMinutes(2);
  private static final long DEATH_WAIT_SECONDS = 2;

  /** Main classes, by name: the processes have them, this one needs nothing of theirs. */
  record Programs(String coordinatorMain, String workerMain) {
    static final Programs LONGTAKE =
        new Programs("dev.longtake.coordinator.CoordinatorMain", "dev.longtake.worker.WorkerMain");
  }

  /**
   * Of a coordinator, 0 for any free one.
   *
   * @param metrics empty for none; workers then have none either, else any
   * @param http empty for none
   */
  record Ports(int calls, OptionalInt metrics, OptionalInt http) {}

  private final Programs programs;
  private final Path folder;
  private final List<JavaProcess> processes = new CopyOnWriteArrayList<>();
  private final CompletableFuture<JavaProcess> death = new CompletableFuture<>();
  private final Thread shutdownHook;
  private volatile boolean isClosing;
  private volatile boolean isKept;

  private LocalCluster(Programs programs, Path folder) {
    this.programs = programs;
    this.folder = folder;
    this.shutdownHook = Thread.ofPlatform().name("end-cluster").unstarted(this::end);
  }

  /** As the other {@code start}, without metrics and HTTP. */
  static LocalCluster start(
      Programs programs, Path model, List<String> devices, int port, List<String> more) {
    Ports ports = new Ports(port, OptionalInt.empty(), OptionalInt.empty());
    return start(programs, model, devices, ports, more);
  }

  /**
   * Starts a coordinator, then all workers at once, and returns when all have joined.
   *
   * @param devices of the workers, one each
   * @param more options that all of them have
   * @throws LongtakeException when one does not start, with its last log lines; the others are gone then
   */
  static LocalCluster start(
      Programs programs, Path model, List<String> devices, Ports ports, List<String> more) {
    var cluster = new LocalCluster(programs, temporaryFolder());
    boolean isStarted = false;
    try {
      Runtime.getRuntime().addShutdownHook(cluster.shutdownHook);
      cluster.startProcesses(model, devices, ports, more);
      isStarted = true;
      return cluster;
    } catch (LongtakeException e) {
      if (e.code() == ErrorCode.INVALID_REQUEST) {
        throw e;
      }
      cluster.isKept = true;
      throw new LongtakeException(
          e.code(), "%s (logs: %s)".formatted(e.getMessage(), cluster.folder), e);
    } finally {
      if (!isStarted) {
        cluster.close();
      }
    }
  }

  private void startProcesses(Path model, List<String> devices, Ports ports, List<String> more) {
    JavaProcess coordinator =
        watched(
            JavaProcess.start(
                "coordinator",
                programs.coordinatorMain(),
                both(
                    List.of(
                        "--host", LOOPBACK,
                        "--port", Integer.toString(ports.calls()),
                        "--data", folder.resolve("data").toString()),
                    both(both(metrics(ports.metrics()), http(ports.http())), more)),
                withTemporaryFiles(ServerJvm.COORDINATOR),
                folder.resolve("coordinator.log"),
                START_TIMEOUT));
    int threads = Math.max(1, Runtime.getRuntime().availableProcessors() / devices.size());
    List<String> ofWorkers =
        both(metrics(ports.metrics().isPresent() ? OptionalInt.of(0) : ports.metrics()), more);
    try (ExecutorService starters = Executors.newVirtualThreadPerTaskExecutor()) {
      var starts = new ArrayList<Future<JavaProcess>>();
      for (String device : devices) {
        String id = "w" + (starts.size() + 1);
        var own = List.of("--id", id, "--threads", Integer.toString(threads), "--device", device);
        starts.add(
            starters.submit(
                () -> startWorker(id, coordinator.address(), model, both(own, ofWorkers))));
      }
      for (Future<JavaProcess> start : starts) {
        var _ = start.get();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new LongtakeException(
          ErrorCode.CANCELED, "Interrupted while the workers were starting", e);
    } catch (ExecutionException e) {
      throw e.getCause() instanceof LongtakeException failure
          ? failure
          : new LongtakeException(ErrorCode.INTERNAL, "A worker cannot be started", e);
    }
  }

  private static List<String> metrics(OptionalInt port) {
    return port.isEmpty()
        ? List.of()
        : List.of("--metrics-host", LOOPBACK, "--metrics-port", Integer.toString(port.getAsInt()));
  }

  private static List<String> http(OptionalInt port) {
    return port.isEmpty() ? List.of() : List.of("--http-port", Integer.toString(port.getAsInt()));
  }

  private JavaProcess startWorker(String id, String coordinator, Path model, List<String> more) {
    return watched(
        JavaProcess.start(
            "worker " + id,
            programs.workerMain(),
            both(
                List.of(
                    "--coordinator",
                    coordinator,
                    "--model",
                    model.toString(),
                    "--host",
                    LOOPBACK,
                    "--port",
                    "0"),
                more),
            withTemporaryFiles(ServerJvm.WORKER),
            folder.resolve(id + ".log"),
            START_TIMEOUT));
  }

  /** What libraries unpack and leave behind, and what a killed process could not delete, goes with the folder. */
  private List<String> withTemporaryFiles(List<String> flags) {
    return both(flags, List.of("-Djava.io.tmpdir=" + folder));
  }

  private static List<String> both(List<String> first, List<String> second) {
    return Stream.concat(first.stream(), second.stream()).toList();
  }

  private JavaProcess watched(JavaProcess process) {
    processes.add(process);
    var _ =
        process
            .onExit()
            .thenAccept(_ -> {
              if (!isClosing && !isShuttingDown()) {
                isKept = true;
                death.complete(process);
              }
            });
    return process;
  }

  /** {@code host:port} of the coordinator. */
  String coordinatorAddress() {
    return processes.getFirst().address();
  }

  /** {@code host:port} of the coordinator's metrics; empty without any. */
  String metricsAddress() {
    return processes.getFirst().metricsAddress();
  }

  /** Where the coordinator's page is; empty without one. */
  String httpUrl() {
    return processes.getFirst().httpUrl();
  }

  /** In order of their ids. */
  List<JavaProcess> workers() {
    return processes.stream()
        .skip(1)
        .sorted(Comparator.comparing(JavaProcess::name, LocalCluster::compareIds))
        .toList();
  }

  private static int compareIds(String a, String b) {
    return a.length() == b.length() ? a.compareTo(b) : Integer.compare(a.length(), b.length());
  }

  /** Where the logs are. */
  Path folder() {
    return folder;
  }

  /** Completes with the first process that ends although nobody asked it to; never while the cluster is being closed. */
  CompletableFuture<JavaProcess> death() {
    return death;
  }

  /**
   * The process whose death is the cause of a failure. The failure may be heard first, as both come on their own ways, so
   * this waits a moment for the death.
   */
  Optional<JavaProcess> awaitDeath() {
    try {
      return Optional.of(death.get(DEATH_WAIT_SECONDS, TimeUnit.SECONDS));
    } catch (TimeoutException | ExecutionException e) {
      return Optional.empty();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return Optional.empty();
    }
  }

  /** Says which process ended, how, what it logged last, and where the whole log is. */
  static LongtakeException deathOf(JavaProcess process) {
    return new LongtakeException(
        ErrorCode.PROCESS_DIED,
        "%s (the whole log: %s)".formatted(process.deathMessage(), process.logFile()));
  }

  /**
   * Leaves logs and data where they are when the cluster is closed, for whoever looks for the cause of a failure. After
   * Ctrl-C nobody does.
   */
  void keepFolder() {
    isKept |= !isShuttingDown();
  }

  /** Whether this process is ending, for example after Ctrl-C: then what fails is a consequence, and nobody's news. */
  static boolean isShuttingDown() {
    Thread probe = Thread.ofPlatform().unstarted(() -> {});
    try {
      Runtime.getRuntime().addShutdownHook(probe);
      Runtime.getRuntime().removeShutdownHook(probe);
      return false;
    } catch (IllegalStateException e) {
      return true;
    }
  }

  /** Ends all processes, and waits until they are gone; bounded. */
  @Override
  public void close() {
    end();
    try {
      Runtime.getRuntime().removeShutdownHook(shutdownHook);
    } catch (IllegalStateException e) {
      // Shutting down: the hook runs or ran, and finds the processes gone.
    }
  }

  private synchronized void end() {
    isClosing = true;
    try (ExecutorService enders = Executors.newVirtualThreadPerTaskExecutor()) {
      for (JavaProcess process : processes) {
        enders.execute(process::close);
      }
    }
    if (!isKept) {
      delete(folder);
    }
  }

  private static Path temporaryFolder() {
    try {
      return Files.createTempDirectory("longtake-");
    } catch (IOException e) {
      throw new LongtakeException(
          ErrorCode.INTERNAL,
          "Cannot create a folder for logs in %s: %s"
              .formatted(System.getProperty("java.io.tmpdir"), e.getMessage()),
          e);
    }
  }

  private static void delete(Path folder) {
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.deleteIfExists(file);
      }
    } catch (IOException e) {
      // The system empties its temporary folder.
    }
  }
}
