package dev.longtake.coordinator.database;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.longtake.common.error.LongtakeException;
import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class SqlJobDatabaseTest {
  private static final Duration LEASE = Duration.ofMinutes(1);

  @TempDir Path folder;

  private static JobRow row(String id, long attempt, int firstEvent, int lastEvent) {
    List<JobRow.Event> events =
        IntStream.rangeClosed(firstEvent, lastEvent)
            .mapToObj(sequence -> new JobRow.Event(sequence, new byte[] {(byte) sequence}))
            .toList();
    return new JobRow(
        id,
        "RUNNING",
        "anna",
        1000 + id.hashCode(),
        attempt,
        new byte[] {(byte) attempt},
        events,
        List.of(),
        List.of(new JobRow.Transition(attempt, 5, "RUNNING", attempt, "it's time")));
  }

  @Test
  void shouldKeepJobsInSqlite() throws Exception {
    shouldKeepJobs(() -> SqlJobDatabase.sqlite(folder.resolve("jobs.db")));
  }

  @Test
  void shouldKeepJobsInPostgresql() throws Exception {
    try (EmbeddedPostgres server =
        EmbeddedPostgres.builder().setOverrideWorkingDirectory(folder.toFile()).start()) {
      String url = server.getJdbcUrl("postgres", "postgres");
      try (LeaseTable leases = Postgresql.open(url, LEASE).leases()) {
        long epoch = leases.take("me", "127.0.0.1:7400", LEASE).getAsLong();
        shouldKeepJobs(() -> Postgresql.open(url, LEASE).jobs(epoch, () -> true));
      }
    }
  }

  private static void shouldKeepJobs(Supplier<JobDatabase> open) throws SQLException {
    try (JobDatabase database = open.get()) {
      assertThat(database.load()).isEmpty();
      database.write(List.of(row("a", 1, 1, 2), row("b", 1, 1, 1)));
      database.write(List.of(row("a", 2, 2, 4)));
      // A replaced attempt.
      database.write(List.of(row("a", 1, 5, 5)));
    }
    try (JobDatabase database = open.get()) {
      List<JobRow> rows = database.load();
      assertThat(rows).extracting(JobRow::id).containsExactly("a", "b");
      assertThat(rows.getFirst().attempt()).isEqualTo(2);
      assertThat(rows.getFirst().record()).containsExactly(2);
      assertThat(rows.getFirst().events())
          .extracting(JobRow.Event::sequence)
          .containsExactly(1L, 2L, 3L, 4L, 5L);
      database.delete(List.of("a", "nobody"));
      assertThat(database.load()).extracting(JobRow::id).containsExactly("b");
    }
  }

  @Test
  void shouldSayWhatIsWrongWhenItCantBeOpened() throws Exception {
    Path text =
        Files.writeString(folder.resolve("text"), "not a database, but long enough\n".repeat(40));

    assertThatThrownBy(() -> SqlJobDatabase.sqlite(text))
        .isInstanceOf(LongtakeException.class)
        .hasMessageContaining(text.toString())
        .hasMessageContaining("not a database");
    assertThatThrownBy(() ->
            Postgresql.open("jdbc:postgresql://127.0.0.1:1/jobs?user=u&password=secret", LEASE))
        .isInstanceOf(LongtakeException.class)
        .hasMessageContaining("127.0.0.1:1/jobs")
        .hasMessageNotContaining("secret");
    assertThatThrownBy(() -> Postgresql.open("jdbc:mysql://x", LEASE))
        .hasMessageContaining("jdbc:postgresql:");
  }
}
