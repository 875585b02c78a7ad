package dev.longtake.ops.bench;

import com.google.protobuf.util.Timestamps;
import dev.longtake.client.LongtakeClient;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.Job;
import dev.longtake.v1.JobState;
import dev.longtake.v1.SubmitRequest;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** Two tenants that submit many short jobs at once, one of them three times as many. */
final class TenantLoad {
  private static final int CLIENTS_EACH = 10;
  private static final int HEAVY_JOBS_EACH = 15;
  private static final int LIGHT_JOBS_EACH = 5;
  private static final String HEAVY = "heavy";
  private static final String LIGHT = "light";

  private final LongtakeClient client;

  TenantLoad(LongtakeClient client) {
    this.client = client;
  }

  List<Figure> measure() {
    List<Job> jobs = new ArrayList<>();
    try (ExecutorService clients = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<List<Job>>> results = new ArrayList<>();
      for (int i = 0; i < CLIENTS_EACH; i++) {
        results.add(clients.submit(() -> runAll(HEAVY, HEAVY_JOBS_EACH)));
        results.add(clients.submit(() -> runAll(LIGHT, LIGHT_JOBS_EACH)));
      }
      for (Future<List<Job>> result : results) {
        jobs.addAll(result.get());
      }
    } catch (ExecutionException e) {
      throw new LongtakeException(ErrorCode.INTERNAL, "A client failed: " + e.getCause(), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new LongtakeException(ErrorCode.CANCELED, "Interrupted while jobs run", e);
    }
    List<Double> waits = jobs.stream().map(TenantLoad::waitSeconds).sorted().toList();
    long done = jobs.stream().filter(job -> job.getState() == JobState.JOB_STATE_DONE).count();
    return List.of(
        new Figure("jobs.done", done, "jobs", Goal.atLeast(jobs.size())),
        new Figure("jobs.wait_p50_seconds", waits.get(waits.size() / 2), "s", Goal.none()),
        new Figure("jobs.wait_p99_seconds", waits.get(waits.size() * 99 / 100), "s", Goal.none()),
        new Figure("jobs.heavy.wait_p99_seconds", worst(jobs, HEAVY), "s", Goal.none()),
        new Figure("jobs.light.wait_p99_seconds", worst(jobs, LIGHT), "s", Goal.none()),
        new Figure("jobs.light.share_of_starts", lightShare(jobs), "ratio", Goal.atLeast(0.45)));
  }

  /** Submits all of a client's jobs, then waits for each. */
  private List<Job> runAll(String tenant, int count) {
    List<String> ids = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      ids.add(
          client
              .submit(
                  SubmitRequest.newBuilder()
                      .setTenant(tenant)
                      .setRequest(
                          GenerationRequest.newBuilder()
                              .setPrompt("a red circle moving right on a black background")
                              .setSteps(2)
                              .setSeed(i))
                      .build())
              .getId());
    }
    return ids.stream().map(id -> client.watch(id, _ -> {})).toList();
  }

  private static double waitSeconds(Job job) {
    return (startMillis(job) - Timestamps.toMillis(job.getSubmittedAt())) / 1e3;
  }

  /** The second transition of a job that nothing happened to. */
  private static long startMillis(Job job) {
    return Timestamps.toMillis(job.getHistory(1).getTime());
  }

  private static double worst(List<Job> jobs, String tenant) {
    List<Double> waits =
        jobs.stream()
            .filter(job -> job.getTenant().equals(tenant))
            .map(TenantLoad::waitSeconds)
            .sorted()
            .toList();
    return waits.get(waits.size() * 99 / 100);
  }

  /** Of as many first starts as equal turns need to serve all of the light one. */
  private static double lightShare(List<Job> jobs) {
    int window = 2 * CLIENTS_EACH * LIGHT_JOBS_EACH;
    long light =
        jobs.stream()
            .sorted(Comparator.comparingLong(TenantLoad::startMillis))
            .limit(window)
            .filter(job -> job.getTenant().equals(LIGHT))
            .count();
    return (double) light / window;
  }
}
