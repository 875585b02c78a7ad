package dev.longtake.coordinator.database;

import dev.longtake.common.error.LongtakeException;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.sqlite.SQLiteConfig;
import org.sqlite.SQLiteDataSource;

/** Jobs in SQLite, a file, or in PostgreSQL; the statements are the same. */
public final class SqlJobDatabase implements JobDatabase {
  private static final Logger log = LoggerFactory.getLogger(SqlJobDatabase.class);

  /** How long a statement waits for a locked database. */
  private static final Duration PATIENCE = Duration.ofSeconds(5);

  private static final String UPSERT =
      """
      insert into jobs (id, state, tenant, submitted_at, attempt, record) values (?, ?, ?, ?, ?, ?)
      on conflict (id) do update set state = excluded.state, attempt = excluded.attempt, record = excluded.record
      where excluded.attempt >= jobs.attempt\
      """;
  private static final String ADD_EVENT =
      "insert into job_events (job_id, sequence, event) values (?, ?, ?) on conflict do nothing";
  private static final String DELETE_EVENT =
      "delete from job_events where job_id = ? and sequence = ?";
  private static final String ADD_TRANSITION =
      """
      insert into job_transitions (job_id, number, happened_at, state, attempt, reason)
      values (?, ?, ?, ?, ?, ?) on conflict do nothing\
      """;

  /** Asked at the beginning of each transaction; what it throws undoes the transaction. */
  interface Guard {
    void check(Connection open) throws SQLException;
  }

  private final DataSource source;
  private final Guard guard;
  private @Nullable Connection connection;

  /** Jobs in a database whose tables are there. */
  SqlJobDatabase(DataSource source, Guard guard) {
    this.source = source;
    this.guard = guard;
  }

  /**
   * Opens a SQLite file, made when it is missing, and brings its tables up to date.
   *
   * @throws LongtakeException INVALID_REQUEST when it can't be used
   */
  public static SqlJobDatabase sqlite(Path file) {
    SQLiteConfig config = new SQLiteConfig();
    config.setJournalMode(SQLiteConfig.JournalMode.WAL);
    // Else a power failure may take jobs that were acknowledged.
    config.setSynchronous(SQLiteConfig.SynchronousMode.FULL);
    config.setBusyTimeout((int) PATIENCE.toMillis());
    config.enforceForeignKeys(true);
    SQLiteDataSource source = new SQLiteDataSource(config);
    source.setUrl("jdbc:sqlite:" + file);
    Migrations.run(source, file.toString(), "blob", List.of(Migrations.JOBS));
    // A lock on the data folder sees to it that there is one coordinator.
    return new SqlJobDatabase(source, _ -> {});
  }

  @Override
  public List<JobRow> load() throws SQLException {
    return inTransaction(open -> {
      Map<String, List<JobRow.Event>> events = new LinkedHashMap<>();
      try (PreparedStatement select =
              open.prepareStatement(
                  "select job_id, sequence, event from job_events order by job_id, sequence");
          ResultSet found = select.executeQuery()) {
        while (found.next()) {
          events
              .computeIfAbsent(found.getString(1), _ -> new ArrayList<>())
              .add(new JobRow.Event(found.getLong(2), found.getBytes(3)));
        }
      }
      List<JobRow> rows = new ArrayList<>();
      try (PreparedStatement select =
              open.prepareStatement(
                  "select id, state, tenant, submitted_at, attempt, record from jobs order by"
                      + " submitted_at, id");
          ResultSet found = select.executeQuery()) {
        while (found.next()) {
          String id = found.getString(1);
          rows.add(
              new JobRow(
                  id,
                  found.getString(2),
                  found.getString(3),
                  found.getLong(4),
                  found.getLong(5),
                  found.getBytes(6),
                  events.getOrDefault(id, List.of()),
                  List.of(),
                  List.of()));
        }
      }
      return rows;
    });
  }

  @Override
  public void write(List<JobRow> rows) throws SQLException {
    inTransaction(open -> {
      try (PreparedStatement jobs = open.prepareStatement(UPSERT);
          PreparedStatement events = open.prepareStatement(ADD_EVENT);
          PreparedStatement forgotten = open.prepareStatement(DELETE_EVENT);
          PreparedStatement transitions = open.prepareStatement(ADD_TRANSITION)) {
        for (JobRow row : rows) {
          jobs.setString(1, row.id());
          jobs.setString(2, row.state());
          jobs.setString(3, row.tenant());
          jobs.setLong(4, row.submittedAtMillis());
          jobs.setLong(5, row.attempt());
          jobs.setBytes(6, row.record());
          jobs.addBatch();
        }
        jobs.executeBatch();
        for (JobRow row : rows) {
          addEvents(events, row);
          forgetEvents(forgotten, row);
          addTransitions(transitions, row);
        }
        events.executeBatch();
        forgotten.executeBatch();
        transitions.executeBatch();
      }
      return true;
    });
  }

  private static void addEvents(PreparedStatement add, JobRow row) throws SQLException {
    for (JobRow.Event event : row.events()) {
      add.setString(1, row.id());
      add.setLong(2, event.sequence());
      add.setBytes(3, event.bytes());
      add.addBatch();
    }
  }

  private static void forgetEvents(PreparedStatement delete, JobRow row) throws SQLException {
    for (long sequence : row.forgottenEvents()) {
      delete.setString(1, row.id());
      delete.setLong(2, sequence);
      delete.addBatch();
    }
  }

  private static void addTransitions(PreparedStatement add, JobRow row) throws SQLException {
    for (JobRow.Transition transition : row.transitions()) {
      add.setString(1, row.id());
      add.setLong(2, transition.number());
      add.setLong(3, transition.happenedAtMillis());
      add.setString(4, transition.state());
      add.setLong(5, transition.attempt());
      add.setString(6, transition.reason());
      add.addBatch();
    }
  }

  @Override
  public void delete(List<String> ids) throws SQLException {
    inTransaction(open -> {
      try (PreparedStatement delete = open.prepareStatement("delete from jobs where id = ?")) {
        for (String id : ids) {
          delete.setString(1, id);
          delete.addBatch();
        }
        delete.executeBatch();
      }
      return true;
    });
  }

  private interface Work<T> {
    T run(Connection open) throws SQLException;
  }

  private <T> T inTransaction(Work<T> work) throws SQLException {
    try {
      Connection open = connection();
      guard.check(open);
      T result = work.run(open);
      open.commit();
      return result;
    } catch (SQLException e) {
      // Whatever was wrong with it, a new connection begins without the failed transaction.
      close();
      throw e;
    }
  }

  private Connection connection() throws SQLException {
    if (connection == null) {
      Connection opened = source.getConnection();
      opened.setAutoCommit(false);
      connection = opened;
    }
    return connection;
  }

  @Override
  public void close() {
    if (connection != null) {
      try {
        connection.close();
      } catch (SQLException e) {
        log.debug("Closing the job database failed", e);
      }
      connection = null;
    }
  }
}
