package dev.longtake.coordinator.jobs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.coordinator.database.JobDatabase;
import dev.longtake.coordinator.database.JobRow;
import dev.longtake.v1.JobState;
import dev.longtake.v1.Plan;
import dev.longtake.v1.Priority;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A database that fails for a while. */
final class JournalTest {
  @TempDir Path folder;

  /** The second failed try begins when what follows the first is done. */
  private final CountDownLatch failed = new CountDownLatch(2);

  private volatile boolean broken;

  private JobStore store() {
    return TestJobs.store(
        new Breakable(TestJobs.database(folder)), folder, 8, InstantSource.system());
  }

  @Test
  void shouldTellNobodyOfWhatIsNotStoredAndLoseNothing() throws Exception {
    try (JobStore store = store()) {
      JobEntry job = store.submit(TestJobs.job());
      store.start(job, Plan.getDefaultInstance(), List.of("w0"));
      assertThat(job.awaitStored(Duration.ofSeconds(30))).isTrue();
      int seen = job.eventCount();
      NewJob.Terms terms = TestJobs.limited("anna", 8).terms();
      broken = true;

      store.progress(job, 1, TestJobs.step(1));
      assertThat(failed.await(30, TimeUnit.SECONDS)).isTrue();

      assertThat(job.eventAfter(seen)).as("not stored").isEmpty();
      assertThatThrownBy(() -> store.requireRoom(terms))
          .isInstanceOfSatisfying(
              LongtakeException.class,
              e -> assertThat(e.code()).isEqualTo(ErrorCode.STORAGE_UNAVAILABLE));
      store.progress(job, 1, TestJobs.step(2));
      List<String> told = new ArrayList<>();
      try (JobEntry.Subscription _ = job.whenStopped(() -> told.add("its run"));
          JobEntry.Subscription _ = job.subscribe(() -> told.add("a watcher"))) {
        store.end(job, 1, new Outcome.Failed(ErrorCode.INTERNAL, "an end"));
        assertThat(told).as("workers stop whatever the disk does").containsExactly("its run");
      }
      assertThat(job.isComplete()).isFalse();

      broken = false;
      assertThat(job.awaitStored(Duration.ofSeconds(30))).isTrue();
      assertThat(job.isComplete()).isTrue();
      assertThat(job.eventAfter(seen + 2).orElseThrow().hasEnded()).isTrue();
      store.requireRoom(terms);
    }
    try (JobStore again = store()) {
      assertThat(again.list(8, _ -> true)).hasSize(1);
      assertThat(again.list(8, _ -> true).getFirst().getState())
          .isEqualTo(JobState.JOB_STATE_FAILED);
      assertThat(again.list(8, _ -> true).getFirst().getStepsDone()).isEqualTo(2);
    }
  }

  @Test
  void shouldAcknowledgeARetriedSubmissionOnlyWhenItIsStored() throws Exception {
    try (JobStore store = store()) {
      NewJob submitted = TestJobs.job("", Priority.PRIORITY_NORMAL, "key", Optional.empty());
      broken = true;
      CompletableFuture<JobEntry> first =
          CompletableFuture.supplyAsync(() -> store.submit(submitted), Thread::startVirtualThread);
      assertThat(failed.await(30, TimeUnit.SECONDS)).isTrue();
      CompletableFuture<Boolean> retryIsStored = new CompletableFuture<>();
      Thread retry =
          Thread.ofPlatform()
              .start(() ->
                  retryIsStored.complete(
                      store
                          .find(submitted.terms().key(), submitted.terms().requestDigest())
                          .orElseThrow()
                          .eventAfter(0)
                          .isPresent()));
      awaitStill(retry);

      broken = false;

      assertThat(first.get(30, TimeUnit.SECONDS).eventAfter(0)).isPresent();
      assertThat(retryIsStored.get(30, TimeUnit.SECONDS)).isTrue();
    }
  }

  /** Until the thread waits for something with a deadline, or has ended. */
  private static void awaitStill(Thread thread) {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
    while (thread.getState() != Thread.State.TIMED_WAITING && thread.isAlive()) {
      assertThat(System.nanoTime()).isLessThan(deadline);
      Thread.onSpinWait();
    }
  }

  private final class Breakable implements JobDatabase {
    private final JobDatabase real;

    Breakable(JobDatabase real) {
      this.real = real;
    }

    @Override
    public List<JobRow> load() throws SQLException {
      return real.load();
    }

    @Override
    public void write(List<JobRow> rows) throws SQLException {
      if (broken) {
        failed.countDown();
        throw new SQLException("the disk is full");
      }
      real.write(rows);
    }

    @Override
    public void delete(List<String> ids) throws SQLException {
      real.delete(ids);
    }

    @Override
    public void close() {
      real.close();
    }
  }
}
