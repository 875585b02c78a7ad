package dev.longtake.ops.bench.chaos;

import dev.longtake.client.LongtakeClient;
import dev.longtake.client.LongtakeClientException;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.process.JavaProcess;
import dev.longtake.common.process.ServerJvm;
import dev.longtake.coordinator.CoordinatorMain;
import dev.longtake.v1.ClusterStatus;
import dev.longtake.worker.WorkerMain;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * A coordinator that keeps its port and its data when it is started again, workers of one thread each that reach it through a line that can
 * be cut, and a client. Owns all of them. For one thread.
 */
final class ChaosCluster implements AutoCloseable {
  private static final Duration START = Duration.ofMinutes(2);
  private static final Duration POLL = Duration.ofMillis(100);

  private final Path model;
  private final Path folder;
  private final List<JavaProcess> workers = new ArrayList<>();
  private JavaProcess coordinator;
  private final CutLine line;
  private final LongtakeClient client;

  private ChaosCluster(Path model, Path folder) {
    this.model = model;
    this.folder = folder;
    this.coordinator = startCoordinator(0);
    this.line = CutLine.to(port());
    this.client = LongtakeClient.builder().address(coordinator.address()).build();
  }

  /**
   * Starts one.
   *
   * @param folder for logs and the coordinator's data; kept
   */
  static ChaosCluster start(Path model, Path folder, int workers) {
    ChaosCluster cluster = new ChaosCluster(model, folder);
    boolean isStarted = false;
    try {
      for (int i = 0; i < workers; i++) {
        cluster.workers.add(cluster.startWorker(i));
      }
      isStarted = true;
      return cluster;
    } finally {
      if (!isStarted) {
        cluster.close();
      }
    }
  }

  LongtakeClient client() {
    return client;
  }

  int size() {
    return workers.size();
  }

  private int port() {
    return Integer.parseInt(
        coordinator.address().substring(coordinator.address().lastIndexOf(':') + 1));
  }

  private JavaProcess startCoordinator(int port) {
    return JavaProcess.start(
        "coordinator",
        CoordinatorMain.class.getName(),
        List.of("--port", Integer.toString(port), "--data", folder.resolve("data").toString()),
        ServerJvm.COORDINATOR,
        folder.resolve("coordinator.log"),
        START);
  }

  private JavaProcess startWorker(int index) {
    String id = "w" + (index + 1);
    return JavaProcess.start(
        "worker " + id,
        WorkerMain.class.getName(),
        List.of(
            "--coordinator",
            line.address(),
            "--model",
            model.toString(),
            "--id",
            id,
            "--threads",
            "1"),
        ServerJvm.WORKER,
        folder.resolve(id + ".log"),
        START);
  }

  /** Waits until all workers are members again: a request that finds none is refused. */
  void awaitWorkers() {
    long deadline = System.nanoTime() + START.toNanos();
    while (!isReady()) {
      if (System.nanoTime() > deadline) {
        throw new LongtakeException(
            ErrorCode.TIMED_OUT,
            "Expected %d workers to join again and to be measured within %d s; see their logs"
                .formatted(workers.size(), START.toSeconds()));
      }
      awaitExit(coordinator, POLL);
    }
  }

  /** A new job waits for a measurement under way, which would be counted as lost by the next fault. */
  private boolean isReady() {
    try {
      ClusterStatus status = client.clusterStatus();
      int links = workers.size() * (workers.size() - 1);
      return status.getWorkersCount() == workers.size()
          && status.getLinksCount() == links
          && status.getWorkersList().stream()
              .allMatch(worker -> worker.hasBlockTimes() && worker.getJobIdsCount() == 0);
    } catch (LongtakeClientException e) {
      // Nobody answers at the moment.
      return false;
    }
  }

  /** Kills a worker and starts it again; returns when it has joined. */
  void killWorker(int index) {
    kill(workers.get(index));
    workers.set(index, startWorker(index));
  }

  /** Kills the coordinator and starts it again on the same port. */
  void killCoordinator() {
    int port = port();
    kill(coordinator);
    coordinator = startCoordinator(port);
  }

  /** Freezes a worker for a while. */
  void stopWorker(int index, Duration time) {
    stop(workers.get(index), time);
  }

  /** Freezes the coordinator for a while. */
  void stopCoordinator(Duration time) {
    stop(coordinator, time);
  }

  void cutConnections() {
    line.cut();
  }

  private static void kill(JavaProcess process) {
    process.handle().destroyForcibly();
    process.close();
  }

  private static void stop(JavaProcess process, Duration time) {
    signal(process, "STOP");
    awaitExit(process, time);
    signal(process, "CONT");
  }

  /** Lets time pass, or less when the process dies, which it should not. */
  private static void awaitExit(JavaProcess process, Duration time) {
    try {
      var _ = process.onExit().get(time.toMillis(), TimeUnit.MILLISECONDS);
      throw new LongtakeException(ErrorCode.PROCESS_DIED, process.deathMessage());
    } catch (TimeoutException e) {
      // It lives, as it should.
    } catch (ExecutionException e) {
      throw new LongtakeException(ErrorCode.INTERNAL, "Waiting for a process failed", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new LongtakeException(ErrorCode.CANCELED, "Interrupted while waiting", e);
    }
  }

  private static void signal(JavaProcess process, String signal) {
    try {
      int status =
          new ProcessBuilder("kill", "-" + signal, Long.toString(process.handle().pid()))
              .inheritIO()
              .start()
              .waitFor();
      if (status != 0) {
        throw new LongtakeException(ErrorCode.PROCESS_DIED, process.deathMessage());
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  @Override
  public void close() {
    client.close();
    workers.forEach(JavaProcess::close);
    coordinator.close();
    line.close();
  }
}
