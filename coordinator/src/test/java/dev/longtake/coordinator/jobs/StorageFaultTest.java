package dev.longtake.coordinator.jobs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.coordinator.database.SqlJobDatabase;
import dev.longtake.v1.Job;
import dev.longtake.v1.JobState;
import dev.longtake.v1.Plan;
import dev.longtake.v1.Priority;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Real faults of SQLite under jobs: no room left, and a lock that another process holds. And a clock that is put back. */
final class StorageFaultTest {
  private static final Duration PATIENCE = Duration.ofSeconds(30);

  /** More than the tables take, and than some jobs do. */
  private static final int MOST_PAGES = 100;

  @TempDir Path folder;

  /** What another process does with the database. */
  private Connection other() throws SQLException {
    return DriverManager.getConnection("jdbc:sqlite:" + folder.resolve("jobs.db"));
  }

  /** A store that is running a job. */
  private static JobEntry running(JobStore store) {
    JobEntry entry = store.submit(TestJobs.job());
    assertThat(store.start(entry, Plan.getDefaultInstance(), List.of("w0"))).isTrue();
    return entry;
  }

  private static void step(JobStore store, JobEntry entry, int step) {
    store.progress(entry, 1, TestJobs.step(step));
  }

  private static void awaitFailing(JobStore store) {
    long deadline = System.nanoTime() + PATIENCE.toNanos();
    while (store.isStoring()) {
      assertThat(System.nanoTime()).as("the database goes on storing").isLessThan(deadline);
      Thread.onSpinWait();
    }
  }

  private static void assertRefused(JobStore store) {
    assertThatThrownBy(() -> store.submit(TestJobs.job()))
        .isInstanceOfSatisfying(
            LongtakeException.class,
            e -> assertThat(e.code()).isEqualTo(ErrorCode.STORAGE_UNAVAILABLE));
  }

  @Test
  void shouldLoseNoJobWhenThereIsNoRoomForAWhile() throws Exception {
    // SQLite itself refuses to grow, as on a full disk; another table takes the room that is left.
    Path limited = folder.resolve("jobs.db?max_page_count=" + MOST_PAGES);
    List<JobEntry> acknowledged = new ArrayList<>();
    try (JobStore store =
        TestJobs.store(SqlJobDatabase.sqlite(limited), folder, 1000, InstantSource.system())) {
      JobEntry running = running(store);
      acknowledged.add(running);
      acknowledged.add(store.submit(TestJobs.job()));
      fill();
      int step = 0;
      // Small changes still fit into pages that are there.
      while (store.isStoring()) {
        assertThat(step).isLessThan(20_000);
        step(store, running, ++step);
        running.awaitStored(Duration.ofMillis(200));
      }

      assertRefused(store);
      step(store, running, ++step);
      assertThat(running.snapshot().getStepsDone()).as("goes on").isEqualTo(step);

      empty();
      assertThat(running.awaitStored(PATIENCE)).isTrue();
      acknowledged.add(store.submit(TestJobs.job()));
    }
    assertAllThere(acknowledged);
  }

  private void fill() throws SQLException {
    try (Connection other = other();
        Statement statement = other.createStatement()) {
      statement.execute("create table filler (bytes blob)");
      statement.execute("pragma max_page_count = " + MOST_PAGES);
      assertThatThrownBy(
              () -> {
                for (int i = 0; i < 10 * MOST_PAGES; i++) {
                  statement.execute("insert into filler values (zeroblob(3000))");
                }
              })
          .isInstanceOf(SQLException.class)
          .hasMessageContaining("full");
    }
  }

  private void empty() throws SQLException {
    try (Connection other = other();
        Statement statement = other.createStatement()) {
      statement.execute("pragma busy_timeout = 30000");
      statement.execute("drop table filler");
    }
  }

  /** After a restart, as they were. */
  private void assertAllThere(List<JobEntry> acknowledged) {
    try (JobStore again = TestJobs.store(folder, 1000, InstantSource.system())) {
      for (JobEntry entry : acknowledged) {
        Job kept = again.get(entry.id()).snapshot();
        assertThat(kept.getState()).isEqualTo(JobState.JOB_STATE_QUEUED);
        assertThat(kept.getAttempt()).isEqualTo(entry.snapshot().getAttempt());
        assertThat(kept.getStepsDone()).isEqualTo(entry.snapshot().getStepsDone());
      }
    }
  }

  @Test
  void shouldGoOnWhenAnotherProcessHeldTheLockForLongerThanAStatementWaits() throws Exception {
    List<JobEntry> acknowledged = new ArrayList<>();
    try (JobStore store = TestJobs.store(folder, 8, InstantSource.system())) {
      JobEntry running = running(store);
      acknowledged.add(running);
      assertThat(running.awaitStored(PATIENCE)).isTrue();
      try (Connection other = other();
          Statement statement = other.createStatement()) {
        statement.execute("begin exclusive");
        step(store, running, 1);
        awaitFailing(store);
        assertRefused(store);
        statement.execute("rollback");
      }

      assertThat(running.awaitStored(PATIENCE)).isTrue();
      assertThat(store.isStoring()).isTrue();
      acknowledged.add(store.submit(TestJobs.job()));
      assertThat(running.snapshot().getStepsDone()).isEqualTo(1);
    }
    assertAllThere(acknowledged);
  }

  @Test
  void shouldKeepOrderAndDeadlinesWhenTheClockIsPutBack() throws Exception {
    Instant[] now = {Instant.parse("2026-11-22T12:00:00Z")};
    try (JobStore store = TestJobs.store(folder, 8, () -> now[0])) {
      JobEntry first =
          store.submit(
              TestJobs.job("", Priority.PRIORITY_NORMAL, "", Optional.of(Duration.ofMinutes(5))));
      now[0] = now[0].minus(Duration.ofHours(1));
      JobEntry second =
          store.submit(
              TestJobs.job("", Priority.PRIORITY_NORMAL, "", Optional.of(Duration.ofMinutes(5))));

      assertThat(second.id()).as("ids go on").isGreaterThan(first.id());
      assertThat(first.waited()).isZero();
      store.expire();
      assertThat(first.isTerminal() || second.isTerminal()).isFalse();
      assertThat(store.awaitTurns(Duration.ZERO)).containsExactlyInAnyOrder(first, second);

      now[0] = now[0].plus(Duration.ofMinutes(5));
      store.expire();
      assertThat(second.isTerminal()).as("five minutes on its clock").isTrue();
      assertThat(first.isTerminal()).isFalse();
      assertThat(first.waited()).isZero();
      now[0] = now[0].plus(Duration.ofHours(1));
      store.expire();
      assertThat(first.isTerminal()).isTrue();
    }
  }
}
