package dev.longtake.ops.bench;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.plan.ExecutionPlan;
import dev.longtake.common.plan.Plans;
import dev.longtake.v1.Precision;
import dev.longtake.v1.WorkOrder;
import dev.longtake.v1.WorkerDescription;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.IntStream;

/**
 * Worker processes that carry out orders together over gRPC on loopback, without a coordinator. For one thread. Owns the processes.
 */
final class WorkerGang implements AutoCloseable {
  private static final Duration RUN = Duration.ofMinutes(60);

  private final List<WorkerProcess> workers = new ArrayList<>();
  private final ExecutorService calls = Executors.newVirtualThreadPerTaskExecutor();
  private WorkerDescription description = WorkerDescription.getDefaultInstance();
  private int jobs;

  private WorkerGang() {}

  /**
   * Starts workers, all at once.
   *
   * @param name of the processes, a number behind it
   * @param logs a folder
   * @param heap of each JVM at most, for example {@code "256m"}
   * @param threads that compute in each
   */
  static WorkerGang start(
      String name, int workers, Path model, Path logs, String heap, int threads) {
    WorkerGang gang = new WorkerGang();
    boolean isStarted = false;
    try {
      gang.startAll(name, workers, model, logs, heap, threads);
      gang.description = gang.workers.getFirst().describe();
      isStarted = true;
      return gang;
    } finally {
      if (!isStarted) {
        gang.close();
      }
    }
  }

  /** Each is waited for even when one fails, so that none is left behind. */
  private void startAll(String name, int count, Path model, Path logs, String heap, int threads) {
    List<Future<WorkerProcess>> starting =
        IntStream.range(0, count)
            .mapToObj(i ->
                calls.submit(() -> WorkerProcess.start(name + "-" + i, model, logs, heap, threads)))
            .toList();
    LongtakeException failure = null;
    for (Future<WorkerProcess> one : starting) {
      try {
        workers.add(await(one));
      } catch (LongtakeException e) {
        failure = failure == null ? e : failure;
      }
    }
    if (failure != null) {
      throw failure;
    }
  }

  /** What the first worker says of itself; all have the same model. */
  WorkerDescription description() {
    return description;
  }

  /** Most memory that was ever resident, of all workers together; NaN where the system does not say. */
  double peakResidentBytes() {
    return workers.stream().mapToDouble(WorkerProcess::peakResidentBytes).sum();
  }

  /** Carries out one job on the first workers, as many as the plan takes. */
  GangRun run(ExecutionPlan plan, WorkOrder task) {
    return runTogether(plan, List.of(task)).getFirst();
  }

  /**
   * Carries out several jobs at once, all on the same workers.
   *
   * @param tasks orders with a task; all else is filled in, float32 where they say nothing
   * @throws LongtakeException whatever the first of the workers failed with
   */
  List<GangRun> runTogether(ExecutionPlan plan, List<WorkOrder> tasks) {
    List<List<Future<WorkerProcess.Result>>> running =
        tasks.stream().map(task -> send(plan, task)).toList();
    List<GangRun> runs = new ArrayList<>();
    LongtakeException failure = null;
    for (List<Future<WorkerProcess.Result>> job : running) {
      List<WorkerProcess.Result> ranks = new ArrayList<>();
      for (Future<WorkerProcess.Result> rank : job) {
        try {
          ranks.add(await(rank));
        } catch (LongtakeException e) {
          failure = failure == null ? e : failure;
        }
      }
      runs.add(new GangRun(ranks));
    }
    if (failure != null) {
      throw failure;
    }
    return runs;
  }

  private List<Future<WorkerProcess.Result>> send(ExecutionPlan plan, WorkOrder task) {
    List<WorkerProcess> ranks = workers.subList(0, plan.workers());
    WorkOrder.Builder order =
        task.toBuilder()
            .setJobId("bench-" + ++jobs)
            .setAttempt(1)
            .addAllGang(ranks.stream().map(WorkerProcess::address).toList())
            .setPlan(Plans.message(plan).setReason("bench"))
            .setModelFingerprint(description.getModel().getFingerprint())
            .setExchangeTimeout(WorkerProcess.EXCHANGE_TIMEOUT);
    if (task.getPrecision() == Precision.PRECISION_UNSPECIFIED) {
      order.setPrecision(Precision.PRECISION_F32);
    }
    return IntStream.range(0, ranks.size())
        .mapToObj(rank -> {
          WorkOrder mine = order.setRank(rank).build();
          return calls.submit(() -> ranks.get(rank).run(mine));
        })
        .toList();
  }

  private static <T> T await(Future<T> future) {
    try {
      return future.get(RUN.toSeconds(), TimeUnit.SECONDS);
    } catch (ExecutionException e) {
      throw e.getCause() instanceof LongtakeException known
          ? known
          : new LongtakeException(
              ErrorCode.INTERNAL, "A worker of the benchmark failed: " + e.getCause(), e);
    } catch (TimeoutException e) {
      throw new LongtakeException(
          ErrorCode.TIMED_OUT,
          "Expected the workers to finish within %d s, but they did not".formatted(RUN.toSeconds()),
          e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new LongtakeException(ErrorCode.CANCELED, "Interrupted while the workers ran", e);
    }
  }

  @Override
  public void close() {
    workers.forEach(WorkerProcess::close);
    calls.shutdownNow();
  }
}
