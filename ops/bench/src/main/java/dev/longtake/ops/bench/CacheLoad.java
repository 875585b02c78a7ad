package dev.longtake.ops.bench;

import static dev.longtake.ops.bench.CacheBenchmark.count;
import static dev.longtake.ops.bench.CacheBenchmark.figure;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.v1.CacheStatus;
import dev.longtake.v1.Tensor;
import dev.longtake.v1.WorkOrder;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicLong;

/** Many jobs on one worker: as many loads as prompts, and no wrong result, leak or standstill where there is too little room. */
final class CacheLoad {
  private static final int JOBS = 64;
  private static final int JOB_PROMPTS = 8;

  /** Prompts of the random load. */
  private static final int PROMPTS = 24;

  private static final int THREADS = 8;
  private static final int STEPS = 2;
  private static final int MIN_TOKENS = 4;
  private static final int MORE_TOKENS = 28;

  /** Beside the time of the load; a job takes a fraction of a second. */
  private static final long DEADLINE_SECONDS = 120;

  /** Tells a prompt of no other from those. */
  private static final int OTHER_PROMPT = 1000;

  private static final long LARGE = 1L << 30;

  private final Path model;

  CacheLoad(Path model) {
    this.model = model;
  }

  List<Figure> measure(Duration load) {
    List<Figure> figures = new ArrayList<>(concurrent());
    figures.addAll(random(load));
    return figures;
  }

  /** A prompt by its number, which is the seed of everything about it. */
  private static WorkOrder order(int prompt, int textChannels) {
    int tokens = MIN_TOKENS + new Random(prompt).nextInt(MORE_TOKENS);
    return RandomTasks.rectifiedFlow(
        RandomTasks.clip(1, 8), tokens, textChannels, STEPS, /* seed= */ prompt);
  }

  /** What prompts give without a cache. */
  private List<Tensor> expected(int prompts) {
    try (CachedWorker worker = new CachedWorker(model, /* cacheBytes= */ 0)) {
      List<Tensor> results = new ArrayList<>();
      for (int prompt = 0; prompt < prompts; prompt++) {
        results.add(worker.run(order(prompt, worker.textChannels())));
      }
      return results;
    }
  }

  private List<Figure> concurrent() {
    List<Tensor> expected = expected(JOB_PROMPTS);
    try (CachedWorker worker = new CachedWorker(model, LARGE);
        ExecutorService threads = Executors.newFixedThreadPool(JOBS)) {
      // The unconditional text is another entry; it is loaded before, so that prompts are counted.
      worker.run(order(OTHER_PROMPT, worker.textChannels()));
      CacheStatus before = worker.status();
      List<Future<Boolean>> jobs = new ArrayList<>();
      for (int job = 0; job < JOBS; job++) {
        int prompt = job % JOB_PROMPTS;
        jobs.add(
            threads.submit(() ->
                worker.run(order(prompt, worker.textChannels())).equals(expected.get(prompt))));
      }
      long wrong = jobs.stream().filter(job -> !await(job, DEADLINE_SECONDS)).count();
      long loads = worker.status().getLoads() - before.getLoads();
      return List.of(
          count("concurrent.jobs", JOBS, "jobs", Goal.none()),
          count("concurrent.prompts", JOB_PROMPTS, "prompts", Goal.none()),
          count("concurrent.loads", loads, "loads", Goal.atMost(JOB_PROMPTS)),
          count("concurrent.wrong_results", wrong, "jobs", Goal.atMost(0)));
    }
  }

  private List<Figure> random(Duration load) {
    List<Tensor> expected = expected(PROMPTS);
    long workingSet = workingSetBytes();
    try (CachedWorker worker = new CachedWorker(model, workingSet / 4);
        ExecutorService threads = Executors.newFixedThreadPool(THREADS)) {
      worker.run(order(0, worker.textChannels()));
      long startBytes = worker.otherBytes();
      AtomicLong jobs = new AtomicLong();
      AtomicLong wrong = new AtomicLong();
      long end = System.nanoTime() + load.toNanos();
      List<Future<?>> loaders = new ArrayList<>();
      for (int thread = 0; thread < THREADS; thread++) {
        Random random = new Random(thread);
        loaders.add(
            threads.submit(() -> {
              while (System.nanoTime() < end) {
                int prompt = random.nextInt(PROMPTS);
                Tensor result = worker.run(order(prompt, worker.textChannels()));
                wrong.addAndGet(result.equals(expected.get(prompt)) ? 0 : 1);
                jobs.incrementAndGet();
              }
            }));
      }
      loaders.forEach(loader -> await(loader, load.toSeconds() + DEADLINE_SECONDS));
      CacheStatus status = worker.status();
      long leaked = worker.otherBytes() - startBytes;
      double hitShare = status.getHits() / (double) (status.getHits() + status.getMisses());
      List<Figure> figures =
          List.of(
              count("random_load.seconds", load.toSeconds(), "s", Goal.none()),
              count("random_load.jobs", jobs.get(), "jobs", Goal.none()),
              count("random_load.working_set_bytes", workingSet, "bytes", Goal.none()),
              count("random_load.cache_bytes", status.getLimitBytes(), "bytes", Goal.none()),
              figure("random_load.hit_share", hitShare, "ratio", Goal.none()),
              count("random_load.evictions", status.getEvictions(), "entries", Goal.none()),
              count("random_load.wrong_results", wrong.get(), "jobs", Goal.atMost(0)),
              count(
                  "random_load.pinned_after_bytes_over_half",
                  Math.max(0, status.getPinnedBytes() - status.getLimitBytes() / 2),
                  "bytes",
                  Goal.atMost(0)),
              count(
                  "random_load.leaked_bytes",
                  Math.abs(leaked) + Math.abs(worker.closeRunner()),
                  "bytes",
                  Goal.atMost(0)));
      return figures;
    }
  }

  /** What all prompts and the unconditional text take. */
  private long workingSetBytes() {
    try (CachedWorker worker = new CachedWorker(model, LARGE)) {
      for (int prompt = 0; prompt < PROMPTS; prompt++) {
        worker.run(order(prompt, worker.textChannels()));
      }
      return worker.status().getBytes();
    }
  }

  /** A standstill is a failure of the benchmark, which names it. */
  private static <T> T await(Future<T> job, long seconds) {
    try {
      return job.get(seconds, TimeUnit.SECONDS);
    } catch (ExecutionException e) {
      throw new LongtakeException(ErrorCode.INTERNAL, "A job failed: " + e.getCause(), e);
    } catch (TimeoutException e) {
      throw new LongtakeException(
          ErrorCode.TIMED_OUT,
          "Expected every job to end within %d s, but one did not: a deadlock".formatted(seconds),
          e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new LongtakeException(ErrorCode.CANCELED, "Interrupted while jobs run", e);
    }
  }
}
