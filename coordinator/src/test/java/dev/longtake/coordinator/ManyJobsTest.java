package dev.longtake.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.v1.CancelJobRequest;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.GetJobRequest;
import dev.longtake.v1.Job;
import dev.longtake.v1.JobState;
import dev.longtake.v1.ListJobsRequest;
import dev.longtake.v1.SubmitRequest;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestReporter;
import org.junit.jupiter.api.io.TempDir;

/** A queue as long as it may be, through the real API: submitted, listed, canceled in part, and there after a restart. */
final class ManyJobsTest {
  /** The largest {@code --queue-limit}. */
  private static final int LIMIT = 10_000;

  private static final int CLIENTS = 32;

  /** Fewer than are remembered after their end. */
  private static final int CANCELED = 500;

  private static final long WAIT_SECONDS = 300;

  @TempDir Path folder;

  private interface Call<T> {
    T run(int index);
  }

  /** Many clients at once; the results in order. */
  private static <T> List<T> all(TestReporter reporter, String what, int count, Call<T> call)
      throws Exception {
    long start = System.nanoTime();
    List<T> results = new ArrayList<>();
    try (ExecutorService clients = Executors.newFixedThreadPool(CLIENTS)) {
      List<Future<T>> calls =
          IntStream.range(0, count).mapToObj(i -> clients.submit(() -> call.run(i))).toList();
      for (Future<T> one : calls) {
        results.add(one.get(WAIT_SECONDS, TimeUnit.SECONDS));
      }
    }
    reporter.publishEntry(what + " " + count, millisSince(start));
    return results;
  }

  private static String millisSince(long startNanos) {
    return TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - startNanos) + " ms";
  }

  @Test
  void shouldLoseNoneOfTenThousandJobsThatWait(TestReporter reporter) throws Exception {
    Map<String, JobState> expected = new HashMap<>();
    try (TestCluster cluster = new TestCluster(folder, LIMIT)) {
      FakeWorker worker = cluster.joined("w0");
      worker.behaviour = FakeWorker.Behaviour.HOLD;
      Job held = cluster.submit();
      assertThat(worker.orders.poll(WAIT_SECONDS, TimeUnit.SECONDS)).isNotNull();
      expected.put(held.getId(), JobState.JOB_STATE_QUEUED);
      List<String> ids = all(reporter, "submitted", LIMIT, _ -> cluster.submit().getId());
      ids.forEach(id -> expected.put(id, JobState.JOB_STATE_QUEUED));
      assertThat(expected).hasSize(1 + LIMIT);
      TestCluster.Failure refusal =
          TestCluster.failure(() ->
              cluster
                  .generation()
                  .submit(
                      SubmitRequest.newBuilder()
                          .setRequest(GenerationRequest.newBuilder().setPrompt("a red circle"))
                          .build()));
      assertThat(refusal.reason()).isEqualTo(ErrorCode.QUEUE_FULL);
      all(
          reporter,
          "listed 1000 jobs, times",
          10,
          _ -> {
            ListJobsRequest most = ListJobsRequest.newBuilder().setLimit(1000).build();
            assertThat(cluster.generation().list(most).getJobsList()).hasSize(1000);
            return true;
          });
      all(
          reporter,
          "canceled",
          CANCELED,
          i -> {
            String id = ids.get(i * (LIMIT / CANCELED));
            return cluster.generation().cancel(CancelJobRequest.newBuilder().setJobId(id).build());
          });
      for (int i = 0; i < CANCELED; i++) {
        expected.put(ids.get(i * (LIMIT / CANCELED)), JobState.JOB_STATE_CANCELED);
      }
      assertThat(cluster.status().getQueuedJobs()).isEqualTo(LIMIT - CANCELED);
    }
    long start = System.nanoTime();
    try (TestCluster again = new TestCluster(folder, LIMIT)) {
      // The one that ran waits again.
      assertThat(again.status().getQueuedJobs()).isEqualTo(1 + LIMIT - CANCELED);
      reporter.publishEntry("started again", millisSince(start));
      List<String> ids = List.copyOf(expected.keySet());
      List<JobState> states =
          all(
              reporter,
              "asked for",
              ids.size(),
              i ->
                  again
                      .generation()
                      .get(GetJobRequest.newBuilder().setJobId(ids.get(i)).build())
                      .getState());
      for (int i = 0; i < ids.size(); i++) {
        assertThat(states.get(i)).isEqualTo(expected.get(ids.get(i)));
      }
    }
  }
}
