package dev.longtake.coordinator.database;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.AbstractList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The lease of a real PostgreSQL, and what it keeps out. */
final class LeaseTableTest {
  private static final Duration LONG = Duration.ofMinutes(1);
  private static final Duration SHORT = Duration.ofMillis(300);
  private static final long DEADLINE_SECONDS = 60;

  @TempDir static Path folder;
  private static EmbeddedPostgres server;
  private static String url;

  private Postgresql database;
  private LeaseTable leases;

  @BeforeAll
  static void startServer() throws Exception {
    server = EmbeddedPostgres.builder().setOverrideWorkingDirectory(folder.toFile()).start();
    url = server.getJdbcUrl("postgres", "postgres");
  }

  @AfterAll
  static void stopServer() throws Exception {
    server.close();
  }

  @BeforeEach
  void open() throws SQLException {
    database = Postgresql.open(url, LONG);
    leases = database.leases();
    execute("delete from leader");
    execute("delete from jobs");
  }

  @AfterEach
  void close() {
    leases.close();
  }

  private static void execute(String sql) throws SQLException {
    try (Connection connection = DriverManager.getConnection(url);
        Statement statement = connection.createStatement()) {
      statement.execute(sql);
    }
  }

  private static JobRow row(String id) {
    return new JobRow(id, "RUNNING", "anna", 1, 1, new byte[] {1}, List.of(), List.of(), List.of());
  }

  /** Tries until the lease of before has ended. */
  private long awaitTaken(String holder) throws SQLException {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(DEADLINE_SECONDS);
    OptionalLong epoch = leases.take(holder, "b:2", LONG);
    while (epoch.isEmpty()) {
      assertThat(System.nanoTime()).as("the lease of before ends").isLessThan(deadline);
      epoch = leases.take(holder, "b:2", LONG);
    }
    return epoch.getAsLong();
  }

  @Test
  void shouldBeTakenByOneWhenTwoTry() throws Exception {
    assertThat(leases.find()).isEmpty();

    assertThat(leases.take("one", "a:1", LONG)).hasValue(1);
    assertThat(leases.take("two", "b:2", LONG)).isEmpty();

    assertThat(leases.find()).hasValue(new LeaseTable.Holder("one", "a:1", false));
    assertThat(leases.renew(1, LONG)).isTrue();
  }

  @Test
  void shouldBeTakenInAHigherEpochWhenItHasEndedOrWasGivenBack() throws Exception {
    assertThat(leases.take("one", "a:1", SHORT)).hasValue(1);
    assertThat(awaitTaken("two")).isEqualTo(2);

    assertThat(leases.renew(1, LONG)).as("the one before").isFalse();
    leases.release(1);
    assertThat(leases.find()).hasValue(new LeaseTable.Holder("two", "b:2", false));
    leases.release(2);
    assertThat(leases.find()).hasValue(new LeaseTable.Holder("two", "b:2", true));
    assertThat(leases.take("one", "a:1", LONG)).hasValue(3);
  }

  @Test
  void shouldKeepTheLeaseWhenItIsRenewedInTime() throws Exception {
    assertThat(leases.take("one", "a:1", SHORT)).hasValue(1);
    assertThat(leases.renew(1, LONG)).isTrue();
    execute("select pg_sleep(0.4)");

    assertThat(leases.take("two", "b:2", LONG)).isEmpty();
  }

  @Test
  void shouldWriteNothingWhenAnotherOneLeads() throws Exception {
    assertThat(leases.take("one", "a:1", LONG)).hasValue(1);
    try (JobDatabase first = database.jobs(1, () -> true)) {
      first.write(List.of(row("a")));
      leases.release(1);
      assertThat(leases.take("two", "b:2", LONG)).hasValue(2);

      assertThatThrownBy(() -> first.write(List.of(row("b"))))
          .isInstanceOf(FencedException.class)
          .hasMessage("another coordinator leads now");
      assertThatThrownBy(() -> first.delete(List.of("a"))).isInstanceOf(FencedException.class);
      assertThatThrownBy(first::load).isInstanceOf(FencedException.class);
    }
    try (JobDatabase second = database.jobs(2, () -> true)) {
      assertThat(second.load()).extracting(JobRow::id).containsExactly("a");
    }
  }

  @Test
  void shouldWriteNothingWhenTheLeaseHasEndedByTheOwnClock() throws Exception {
    leases.take("one", "a:1", LONG);
    AtomicBoolean isHeld = new AtomicBoolean(true);
    try (JobDatabase jobs = database.jobs(1, isHeld::get)) {
      jobs.write(List.of(row("a")));
      isHeld.set(false);

      assertThatThrownBy(() -> jobs.write(List.of(row("b"))))
          .isInstanceOf(FencedException.class)
          .hasMessageContaining("has ended");
      isHeld.set(true);
      assertThat(jobs.load()).extracting(JobRow::id).containsExactly("a");
    }
  }

  @Test
  void shouldRenewButNotBeTakenWhenATransactionOfTheLeaderIsOpen() throws Exception {
    leases.take("one", "a:1", SHORT);
    CompletableFuture<@Nullable Void> frozen = new CompletableFuture<>();
    CompletableFuture<@Nullable Void> thawed = new CompletableFuture<>();
    try (JobDatabase jobs = database.jobs(1, () -> true);
        LeaseTable others = database.leases()) {
      CompletableFuture<Optional<SQLException>> failure =
          write(jobs, new FreezingList(row("a"), frozen, thawed));
      frozen.get(DEADLINE_SECONDS, TimeUnit.SECONDS);
      assertThat(leases.renew(1, SHORT)).isTrue();

      CompletableFuture<OptionalLong> taken = CompletableFuture.supplyAsync(() -> take(others));
      awaitLockWaiter();
      thawed.complete(null);

      assertThat(failure.get(DEADLINE_SECONDS, TimeUnit.SECONDS)).isEmpty();
      assertThat(taken.get(DEADLINE_SECONDS, TimeUnit.SECONDS)).hasValue(2);
    }
    try (JobDatabase second = database.jobs(2, () -> true)) {
      assertThat(second.load()).extracting(JobRow::id).containsExactly("a");
    }
  }

  /** Empty when it was written. */
  private static CompletableFuture<Optional<SQLException>> write(
      JobDatabase jobs, List<JobRow> rows) {
    return CompletableFuture.supplyAsync(() -> {
      try {
        jobs.write(rows);
        return Optional.empty();
      } catch (SQLException e) {
        return Optional.of(e);
      }
    });
  }

  private static OptionalLong take(LeaseTable leases) {
    try {
      OptionalLong epoch = leases.take("two", "b:2", LONG);
      while (epoch.isEmpty()) {
        epoch = leases.take("two", "b:2", LONG);
      }
      return epoch;
    } catch (SQLException e) {
      throw new IllegalStateException(e);
    }
  }

  private static void awaitLockWaiter() throws SQLException {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(DEADLINE_SECONDS);
    try (Connection connection = DriverManager.getConnection(url);
        Statement statement = connection.createStatement()) {
      boolean isWaiting = false;
      while (!isWaiting) {
        assertThat(System.nanoTime()).as("somebody waits for the row").isLessThan(deadline);
        try (var found =
            statement.executeQuery(
                "select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like"
                    + " 'insert into leader%'")) {
          isWaiting = found.next();
        }
      }
    }
  }

  @Test
  void shouldBeTakenWhenTheLeaderFrozeInTheMiddleOfATransaction() throws Exception {
    Postgresql quick = Postgresql.open(url, Duration.ofMillis(500));
    leases.take("one", "a:1", SHORT);
    CompletableFuture<@Nullable Void> thawed = new CompletableFuture<>();
    CompletableFuture<@Nullable Void> frozen = new CompletableFuture<>();
    try (JobDatabase jobs = quick.jobs(1, () -> true)) {
      CompletableFuture<Optional<SQLException>> failure =
          write(jobs, new FreezingList(row("late"), frozen, thawed));
      frozen.get(DEADLINE_SECONDS, TimeUnit.SECONDS);

      assertThat(awaitTaken("two")).isEqualTo(2);
      thawed.complete(null);

      assertThat(failure.get(DEADLINE_SECONDS, TimeUnit.SECONDS)).isPresent();
      assertThatThrownBy(() -> jobs.write(List.of(row("later"))))
          .isInstanceOf(FencedException.class);
    }
    try (JobDatabase second = database.jobs(2, () -> true)) {
      assertThat(second.load()).isEmpty();
    }
  }

  /** Read while the transaction is open, which stays so until it is thawed: as a frozen process would leave it. */
  private static final class FreezingList extends AbstractList<JobRow> {
    private final JobRow row;
    private final CompletableFuture<@Nullable Void> frozen;
    private final CompletableFuture<@Nullable Void> thawed;

    FreezingList(
        JobRow row,
        CompletableFuture<@Nullable Void> frozen,
        CompletableFuture<@Nullable Void> thawed) {
      this.row = row;
      this.frozen = frozen;
      this.thawed = thawed;
    }

    @Override
    public JobRow get(int index) {
      frozen.complete(null);
      thawed.orTimeout(DEADLINE_SECONDS, TimeUnit.SECONDS).join();
      return row;
    }

    @Override
    public int size() {
      return 1;
    }
  }
}
