package dev.longtake.coordinator.database;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Optional;
import java.util.OptionalLong;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The row that says which coordinator leads, and until when by the database's clock. Every call is one statement, ends in bounded time, and
 * connects anew after a failure. Thread-safe.
 */
public final class LeaseTable implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(LeaseTable.class);

  private static final String FIND =
      "select address, holder, expires_at <= now() from leader where only_row";
  private static final String TAKE =
      """
      insert into leader (epoch, holder, address, expires_at) values (1, ?, ?, now() + ? * interval '1 millisecond')
      on conflict (only_row) do update set epoch = leader.epoch + 1, holder = excluded.holder, address = excluded.address,
        expires_at = excluded.expires_at
      where leader.expires_at <= now() returning epoch\
      """;
  private static final String RENEW =
      "update leader set expires_at = now() + ? * interval '1 millisecond' where epoch = ?";
  private static final String RELEASE = "update leader set expires_at = now() where epoch = ?";

  private final DataSource source;
  private final Duration timeout;
  private @Nullable Connection connection; // guarded by this

  /**
   * @param timeout for an answer of the server
   */
  LeaseTable(DataSource source, Duration timeout) {
    this.source = source;
    this.timeout = timeout;
  }

  /** Who led last: {@code holder} is one start of a process, {@code address} where clients call it. */
  public record Holder(String holder, String address, boolean isExpired) {}

  /** Who leads or led last; empty when nobody ever did. */
  public Optional<Holder> find() throws SQLException {
    return ask(
        FIND,
        select -> {
          try (ResultSet found = select.executeQuery()) {
            return found.next()
                ? Optional.of(
                    new Holder(found.getString(2), found.getString(1), found.getBoolean(3)))
                : Optional.empty();
          }
        });
  }

  /**
   * Takes the lease when nobody has it.
   *
   * @return the new epoch, larger than all before; empty when somebody has it
   */
  public OptionalLong take(String holder, String address, Duration length) throws SQLException {
    return ask(
        TAKE,
        take -> {
          take.setString(1, holder);
          take.setString(2, address);
          take.setLong(3, length.toMillis());
          try (ResultSet taken = take.executeQuery()) {
            return taken.next() ? OptionalLong.of(taken.getLong(1)) : OptionalLong.empty();
          }
        });
  }

  /** Prolongs the lease from now on; false when somebody else has taken it. */
  public boolean renew(long epoch, Duration length) throws SQLException {
    return ask(
        RENEW,
        renew -> {
          renew.setLong(1, length.toMillis());
          renew.setLong(2, epoch);
          return renew.executeUpdate() == 1;
        });
  }

  /** Lets the next one take it at once; no effect when somebody has. */
  public void release(long epoch) throws SQLException {
    ask(
        RELEASE,
        release -> {
          release.setLong(1, epoch);
          return release.executeUpdate();
        });
  }

  private interface Work<T> {
    T run(PreparedStatement statement) throws SQLException;
  }

  private synchronized <T> T ask(String sql, Work<T> work) throws SQLException {
    try (PreparedStatement statement = connection().prepareStatement(sql)) {
      return work.run(statement);
    } catch (SQLException e) {
      close();
      throw e;
    }
  }

  private Connection connection() throws SQLException {
    if (connection == null) {
      Connection opened = source.getConnection();
      opened.setNetworkTimeout(Runnable::run, (int) timeout.toMillis());
      connection = opened;
    }
    return connection;
  }

  @Override
  public synchronized void close() {
    if (connection != null) {
      try {
        connection.close();
      } catch (SQLException e) {
        log.debug("Closing the connection of the lease failed", e);
      }
      connection = null;
    }
  }
}
