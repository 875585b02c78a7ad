package dev.longtake.ops.bench;

import dev.longtake.client.LongtakeClient;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.process.JavaProcess;
import dev.longtake.common.process.ServerJvm;
import dev.longtake.coordinator.CoordinatorMain;
import dev.longtake.v1.ClusterStatus;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.Job;
import dev.longtake.v1.JobState;
import dev.longtake.v1.WorkerStatus;
import dev.longtake.worker.WorkerMain;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * A coordinator and workers of one thread each as processes of this machine, and a client. Owns the processes, not the links. For one
 * thread.
 */
final class BenchCluster implements AutoCloseable {
  private static final String LOOPBACK = "127.0.0.1";
  private static final Duration START = Duration.ofMinutes(2);
  private static final Duration MEASURE = Duration.ofMinutes(5);
  private static final long POLL_MILLIS = 200;

  private final List<JavaProcess> processes = new ArrayList<>();
  private @Nullable LongtakeClient client;

  private BenchCluster() {}

  /** On loopback. */
  static BenchCluster onLoopback(Path model, Path logs, int workers) {
    return start(model, logs, workers, null, List.of(), null);
  }

  /** On loopback, with more options of the coordinator. */
  static BenchCluster onLoopback(Path model, Path logs, int workers, List<String> coordinator) {
    return start(model, logs, workers, null, coordinator, null);
  }

  /** On loopback, with other flags of the JVM. */
  static BenchCluster withFlags(Path model, Path logs, int workers, List<String> flags) {
    return start(model, logs, workers, null, List.of(), flags);
  }

  /** Two workers with a shaped link between them. */
  static BenchCluster on(ShapedLinks links, Path model, Path logs) {
    return start(model, logs, 2, links, List.of(), null);
  }

  private static BenchCluster start(
      Path model,
      Path logs,
      int workers,
      @Nullable ShapedLinks links,
      List<String> coordinatorOptions,
      @Nullable List<String> flags) {
    BenchCluster cluster = new BenchCluster();
    boolean isStarted = false;
    try {
      cluster.startAll(model, logs, workers, links, coordinatorOptions, flags);
      cluster.awaitMeasured(workers);
      isStarted = true;
      return cluster;
    } finally {
      if (!isStarted) {
        cluster.close();
      }
    }
  }

  private void startAll(
      Path model,
      Path logs,
      int workers,
      @Nullable ShapedLinks links,
      List<String> coordinatorOptions,
      @Nullable List<String> flags) {
    List<String> options =
        new ArrayList<>(
            List.of(
                "--host",
                links == null ? LOOPBACK : links.hubAddress(),
                // Of a network of their own, that of the shaped links.
                "--plaintext",
                "--port",
                "0",
                "--data",
                logs.resolve("data").toString()));
    options.addAll(coordinatorOptions);
    JavaProcess coordinator =
        JavaProcess.start(
            "coordinator",
            CoordinatorMain.class.getName(),
            options,
            flags == null ? ServerJvm.COORDINATOR : flags,
            logs.resolve("coordinator.log"),
            START);
    processes.add(coordinator);
    client = LongtakeClient.builder().address(coordinator.address()).build();
    for (int i = 0; i < workers; i++) {
      String id = "w" + (i + 1);
      processes.add(
          JavaProcess.startWithin(
              links == null ? List.of() : links.launcher(i),
              "worker " + id,
              WorkerMain.class.getName(),
              List.of(
                  "--coordinator",
                  coordinator.address(),
                  "--model",
                  model.toString(),
                  "--host",
                  links == null ? LOOPBACK : links.address(i),
                  "--plaintext",
                  "--id",
                  id,
                  "--threads",
                  "1"),
              flags == null ? ServerJvm.WORKER : flags,
              logs.resolve(id + ".log"),
              START));
    }
  }

  /** The coordinator, then the workers. */
  List<JavaProcess> processes() {
    return List.copyOf(processes);
  }

  /** Of the coordinator. */
  String address() {
    return processes.getFirst().address();
  }

  LongtakeClient client() {
    LongtakeClient open = client;
    if (open == null) {
      throw new IllegalStateException("Expected the cluster to be started");
    }
    return open;
  }

  /** Until the coordinator has measured all workers and links. */
  private void awaitMeasured(int workers) {
    long deadline = System.nanoTime() + MEASURE.toNanos();
    ClusterStatus status = client().clusterStatus();
    while (!isMeasured(status, workers)) {
      if (System.nanoTime() > deadline) {
        throw new LongtakeException(
            ErrorCode.TIMED_OUT,
            "Expected the coordinator to measure %d workers and %d links within %d s, but it has %d and %d; see its log"
                .formatted(
                    workers,
                    workers * (workers - 1),
                    MEASURE.toSeconds(),
                    status.getWorkersList().stream().filter(WorkerStatus::hasBlockTimes).count(),
                    status.getLinksCount()));
      }
      pause();
      status = client().clusterStatus();
    }
  }

  private static boolean isMeasured(ClusterStatus status, int workers) {
    return status.getWorkersCount() == workers
        && status.getWorkersList().stream().allMatch(WorkerStatus::hasBlockTimes)
        && status.getLinksCount() == workers * (workers - 1);
  }

  /** A moment, or less when the coordinator dies. */
  private void pause() {
    JavaProcess coordinator = processes.getFirst();
    try {
      var _ = coordinator.onExit().get(POLL_MILLIS, TimeUnit.MILLISECONDS);
      throw new LongtakeException(ErrorCode.PROCESS_DIED, coordinator.deathMessage());
    } catch (TimeoutException e) {
      // It lives.
    } catch (ExecutionException e) {
      throw new LongtakeException(ErrorCode.INTERNAL, "Waiting for the coordinator failed", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new LongtakeException(ErrorCode.CANCELED, "Interrupted while workers are measured", e);
    }
  }

  /**
   * Makes a video.
   *
   * @return the ended job
   * @throws LongtakeException PROCESS_DIED or INTERNAL when it fails
   */
  Job run(GenerationRequest request) {
    Job job = client().watch(client().submit(request).getId(), _ -> {});
    if (job.getState() != JobState.JOB_STATE_DONE) {
      throw new LongtakeException(
          ErrorCode.INTERNAL,
          "Expected a job with the plan '%s' to be done, but it is %s: %s"
              .formatted(request.getPlan(), job.getState(), job.getError().getMessage()));
    }
    return job;
  }

  @Override
  public void close() {
    if (client != null) {
      client.close();
    }
    for (JavaProcess process : processes.reversed()) {
      process.close();
    }
  }
}
