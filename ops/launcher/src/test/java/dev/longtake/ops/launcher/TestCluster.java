package dev.longtake.ops.launcher;

import dev.longtake.client.LongtakeClient;
import dev.longtake.common.process.JavaProcess;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.Job;
import dev.longtake.v1.WorkerStatus;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import java.util.function.Function;
import java.util.stream.Stream;

/**
 * A coordinator and workers as processes of their own, each worker with one thread. Unlike {@link LocalCluster} it lets
 * workers come later and die.
 */
final class TestCluster implements AutoCloseable {
  private static final Duration START_TIMEOUT = Duration.ofMinutes(2);

  private final Path folder;
  private final Path model;
  private final List<String> workerOptions;
  private final JavaProcess coordinator;
  private final List<JavaProcess> workers = new ArrayList<>();
  private final LongtakeClient client;

  private TestCluster(
      Path folder,
      Path model,
      List<String> workerOptions,
      JavaProcess coordinator,
      LongtakeClient client) {
    this.folder = folder;
    this.model = model;
    this.workerOptions = workerOptions;
    this.coordinator = coordinator;
    this.client = client;
  }

  /**
   * Starts a coordinator and workers {@code w1}, {@code w2}, ... and returns when all have joined.
   *
   * @param folder for logs and data
   */
  static TestCluster start(Path folder, int workers) {
    return start(folder, TestModels.DEMO, workers);
  }

  /** The same with another model than the demo's. */
  static TestCluster start(Path folder, Path model, int workers) {
    return start(folder, model, workers, List.of());
  }

  /**
   * The same, with more options.
   *
   * @param options of all processes
   */
  static TestCluster start(Path folder, Path model, int workers, List<String> options) {
    return start(
        folder,
        model,
        workers,
        options,
        options,
        address -> LongtakeClient.builder().address(address).build());
  }

  /**
   * The same with options of their own, and a client that knows what they ask for.
   *
   * @param client makes one for an address
   */
  static TestCluster start(
      Path folder,
      Path model,
      int workers,
      List<String> coordinatorOptions,
      List<String> workerOptions,
      Function<String, LongtakeClient> client) {
    JavaProcess coordinator =
        JavaProcess.start(
            "coordinator",
            LocalCluster.Programs.LONGTAKE.coordinatorMain(),
            both(
                List.of("--port", "0", "--data", folder.resolve("data").toString()),
                coordinatorOptions),
            ServerFlags.coordinator(folder),
            folder.resolve("coordinator.log"),
            START_TIMEOUT);
    var cluster =
        new TestCluster(
            folder, model, workerOptions, coordinator, client.apply(coordinator.address()));
    boolean isStarted = false;
    try {
      cluster.addWorkers(workers);
      isStarted = true;
      return cluster;
    } finally {
      if (!isStarted) {
        cluster.close();
      }
    }
  }

  /** Starts so many more, all at once. */
  void addWorkers(int count) {
    addWorkers(Collections.nCopies(count, List.of()));
  }

  /** Starts one more for each list of further options, all at once. */
  void addWorkers(List<List<String>> more) {
    try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
      var starts = new ArrayList<CompletableFuture<JavaProcess>>();
      for (List<String> own : more) {
        String id = "w" + (workers.size() + starts.size() + 1);
        starts.add(CompletableFuture.supplyAsync(() -> startWorker(id, List.of(), own), threads));
      }
      starts.forEach(start -> workers.add(start.join()));
    }
  }

  /**
   * Starts one more.
   *
   * @param launcher as {@link JavaProcess#startWithin} takes it
   */
  void addWorker(List<String> launcher, String... options) {
    workers.add(startWorker("w" + (workers.size() + 1), launcher, List.of(options)));
  }

  private JavaProcess startWorker(String id, List<String> launcher, List<String> more) {
    return JavaProcess.startWithin(
        launcher,
        "worker " + id,
        LocalCluster.Programs.LONGTAKE.workerMain(),
        both(
            List.of(
                "--coordinator",
                coordinator.address(),
                "--model",
                model.toString(),
                "--id",
                id,
                "--threads",
                "1"),
            both(workerOptions, more)),
        ServerFlags.worker(folder),
        folder.resolve(id + ".log"),
        START_TIMEOUT);
  }

  private static List<String> both(List<String> first, List<String> second) {
    return Stream.concat(first.stream(), second.stream()).toList();
  }

  String address() {
    return coordinator.address();
  }

  LongtakeClient client() {
    return client;
  }

  JavaProcess coordinator() {
    return coordinator;
  }

  /** {@code w1} is at 0. */
  JavaProcess worker(int index) {
    return workers.get(index);
  }

  /** The worker with the id. */
  JavaProcess worker(String id) {
    return worker(Integer.parseInt(id.substring(1)) - 1);
  }

  /** Of the workers that the coordinator counts as members, in order. */
  List<String> memberIds() {
    return client.clusterStatus().getWorkersList().stream()
        .map(WorkerStatus::getDescription)
        .map(description -> description.getId())
        .sorted()
        .toList();
  }

  /** Submits and waits for the end. */
  Job generate(GenerationRequest request) {
    return client.watch(client.submit(request).getId(), event -> {});
  }

  @Override
  public void close() {
    client.close();
    workers.forEach(JavaProcess::close);
    coordinator.close();
  }
}
