package dev.longtake.ops.launcher;

import dev.longtake.client.LongtakeClient;
import dev.longtake.common.process.JavaProcess;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.Job;
import dev.longtake.v1.WorkerStatus;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import java.util.stream.Stream;

/**
 * A coordinator and workers as processes of their own, each worker with one thread. Unlike {@link LocalCluster} it lets
 * workers come later and die.
 */
final class TestCluster implements AutoCloseable {
  private static final Duration START_TIMEOUT = Duration.ofMinutes(2);

  private final Path folder;
  private final Path model;
  private final JavaProcess coordinator;
  private final List<JavaProcess> workers = new ArrayList<>();
  private final LongtakeClient client;

  private TestCluster(Path folder, Path model, JavaProcess coordinator) {
    this.folder = folder;
    this.model = model;
    this.coordinator = coordinator;
    this.client = LongtakeClient.builder().address(coordinator.address()).build();
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
    JavaProcess coordinator =
        JavaProcess.start(
            "coordinator",
            LocalCluster.Programs.LONGTAKE.coordinatorMain(),
            List.of("--port", "0", "--data", folder.resolve("data").toString()),
            withTemporaryFiles(folder, LocalCluster.COORDINATOR_FLAGS),
            folder.resolve("coordinator.log"),
            START_TIMEOUT);
    var cluster = new TestCluster(folder, model, coordinator);
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
    try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
      var starts = new ArrayList<CompletableFuture<JavaProcess>>();
      for (int i = 1; i <= count; i++) {
        String id = "w" + (workers.size() + i);
        starts.add(CompletableFuture.supplyAsync(() -> startWorker(id), threads));
      }
      starts.forEach(start -> workers.add(start.join()));
    }
  }

  private JavaProcess startWorker(String id) {
    return startWorker(id, List.of(), List.of());
  }

  /**
   * Starts one more.
   *
   * @param launcher as {@link JavaProcess#startWithin} takes it
   */
  void addWorker(List<String> launcher, String... options) {
    workers.add(startWorker("w" + (workers.size() + 1), launcher, List.of(options)));
  }

  private JavaProcess startWorker(String id, List<String> launcher, List<String> options) {
    return JavaProcess.startWithin(
        launcher,
        "worker " + id,
        LocalCluster.Programs.LONGTAKE.workerMain(),
        Stream.concat(
                Stream.of(
                    "--coordinator",
                    coordinator.address(),
                    "--model",
                    model.toString(),
                    "--id",
                    id,
                    "--threads",
                    "1"),
                options.stream())
            .toList(),
        withTemporaryFiles(folder, LocalCluster.WORKER_FLAGS),
        folder.resolve(id + ".log"),
        START_TIMEOUT);
  }

  private static List<String> withTemporaryFiles(Path folder, List<String> flags) {
    return Stream.concat(flags.stream(), Stream.of("-Djava.io.tmpdir=" + folder)).toList();
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
