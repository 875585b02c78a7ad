package dev.longtake.ops.bench.chaos;

import dev.longtake.client.LongtakeClient;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.Job;
import dev.longtake.v1.JobEvent;
import dev.longtake.v1.JobState;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;

/** Jobs on a cluster to which something happens during each, at a moment and to a process that a seed chooses. */
public final class ChaosRun {
  /** Longer than it takes to find out that somebody is frozen. */
  private static final Duration FROZEN = Duration.ofSeconds(7);

  private static final int UNDISTURBED_RUNS = 3;

  private static final List<Fault> FAULTS = List.of(Fault.values());

  private final Path model;
  private final Path folder;
  private final GenerationRequest request;

  /**
   * @param model a whole model's folder
   * @param folder for logs and the coordinator's data; kept
   * @param request with a seed and a number of steps
   */
  public ChaosRun(Path model, Path folder, GenerationRequest request) {
    this.model = model;
    this.folder = folder;
    this.request = request;
  }

  /**
   * What came of it.
   *
   * @param undisturbedSeconds of the median run without a fault
   * @param lost jobs that were acknowledged and are not done
   * @param different jobs whose video is another one than that of the undisturbed run
   */
  public record Result(double undisturbedSeconds, List<Disturbed> runs, int lost, int different) {
    public Result {
      runs = List.copyOf(runs);
    }
  }

  /**
   * A job and what happened during it.
   *
   * @param seconds from its submission to its end, as the client saw it
   * @param faultSeconds that the fault itself lasted: how long somebody was frozen, or took to be started again
   * @param attempts at the job
   */
  public record Disturbed(Fault fault, double seconds, double faultSeconds, long attempts) {}

  /**
   * Runs the jobs, one after the other.
   *
   * @param warmUps jobs before, at least 1, the cluster measures itself meanwhile
   * @param notes told of each
   * @throws LongtakeException INTERNAL when a job fails, which includes the words of its failure
   */
  public Result run(int workers, int warmUps, int jobs, long seed, Consumer<String> notes) {
    Random random = new Random(seed);
    try (ChaosCluster cluster = ChaosCluster.start(model, folder, workers);
        ExecutorService striker = Executors.newSingleThreadExecutor()) {
      String expected = "";
      for (int i = 0; i < warmUps; i++) {
        expected = done(cluster.client(), submit(cluster.client()), _ -> {}).getVideo().getSha256();
      }
      List<Double> undisturbed = new ArrayList<>();
      for (int i = 0; i < UNDISTURBED_RUNS; i++) {
        long start = System.nanoTime();
        done(cluster.client(), submit(cluster.client()), _ -> {});
        undisturbed.add(seconds(start));
      }
      double usual = undisturbed.stream().sorted().toList().get(UNDISTURBED_RUNS / 2);
      List<Disturbed> runs = new ArrayList<>();
      int different = 0;
      List<String> ids = new ArrayList<>();
      for (int i = 0; i < jobs; i++) {
        Fault fault = FAULTS.get(i % FAULTS.size());
        int victim = random.nextInt(cluster.size());
        int step = random.nextInt(request.getSteps() + 1);
        CompletableFuture<Double> happened = new CompletableFuture<>();
        AtomicBoolean struck = new AtomicBoolean();
        cluster.awaitWorkers();
        long start = System.nanoTime();
        String id = submit(cluster.client());
        ids.add(id);
        Job job =
            done(
                cluster.client(),
                id,
                event -> {
                  if (isReached(event, step) && !struck.getAndSet(true)) {
                    striker.execute(() -> strike(cluster, fault, victim, happened));
                  }
                });
        double seconds = seconds(start);
        Disturbed run = new Disturbed(fault, seconds, await(happened), job.getAttempt());
        runs.add(run);
        boolean same = job.getVideo().getSha256().equals(expected);
        different += same ? 0 : 1;
        notes.accept(
            "run %d: %s (%d) at step %d, which took %.1f s: done after %.1f s instead of %.1f s, %d attempts%s"
                .formatted(
                    i + 1,
                    fault,
                    victim + 1,
                    step,
                    run.faultSeconds,
                    seconds,
                    usual,
                    run.attempts,
                    same ? "" : ", ANOTHER VIDEO"));
      }
      int lost = 0;
      for (String id : ids) {
        lost += cluster.client().get(id).getState() == JobState.JOB_STATE_DONE ? 0 : 1;
      }
      return new Result(usual, runs, lost, different);
    }
  }

  private String submit(LongtakeClient client) {
    return client.submit(request).getId();
  }

  private static void strike(
      ChaosCluster cluster, Fault fault, int victim, CompletableFuture<Double> happened) {
    long start = System.nanoTime();
    try {
      switch (fault) {
        case KILL_WORKER -> cluster.killWorker(victim);
        case KILL_COORDINATOR -> cluster.killCoordinator();
        case STOP_WORKER -> cluster.stopWorker(victim, FROZEN);
        case STOP_COORDINATOR -> cluster.stopCoordinator(FROZEN);
        case CUT_CONNECTIONS -> cluster.cutConnections();
      }
      happened.complete(seconds(start));
    } catch (RuntimeException e) {
      happened.completeExceptionally(e);
    }
  }

  private static double await(CompletableFuture<Double> happened) {
    try {
      // Every step of a fault has a deadline of its own.
      return happened.join();
    } catch (CompletionException e) {
      throw e.getCause() instanceof LongtakeException failure
          ? failure
          : new LongtakeException(ErrorCode.INTERNAL, "A fault failed: " + e.getCause(), e);
    }
  }

  /** Before the first step: when the workers are chosen. */
  private static boolean isReached(JobEvent event, int step) {
    return step == 0 ? event.hasPlanned() : event.getStepDone().getStep() >= step;
  }

  private static Job done(LongtakeClient client, String id, Consumer<JobEvent> listener) {
    Job job = client.watch(id, listener);
    if (job.getState() != JobState.JOB_STATE_DONE) {
      throw new LongtakeException(
          ErrorCode.INTERNAL,
          "Expected job %s to be done, but it is %s: %s"
              .formatted(id, job.getState(), job.getError().getMessage()));
    }
    return job;
  }

  private static double seconds(long startNanos) {
    return (System.nanoTime() - startNanos) / 1e9;
  }
}
