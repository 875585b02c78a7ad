package dev.longtake.coordinator.database;

import dev.longtake.common.error.LongtakeException;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.time.Duration;
import java.util.List;
import java.util.function.BooleanSupplier;
import org.postgresql.ds.PGSimpleDataSource;

/**
 * A PostgreSQL database that several coordinators may share: a lease says which one leads, and each transaction on jobs checks that its
 * coordinator still does.
 */
public final class Postgresql {
  private static final String PREFIX = "jdbc:postgresql:";

  /** How long a statement on jobs waits for a server that does not answer. */
  private static final Duration PATIENCE = Duration.ofSeconds(5);

  private final String url;
  private final Duration lease;

  private Postgresql(String url, Duration lease) {
    this.url = url;
    this.lease = lease;
  }

  /**
   * Opens a database and brings its tables up to date.
   *
   * @param url {@code jdbc:postgresql://HOST:PORT/DATABASE?user=...&password=...}
   * @param lease for how long who leads does so without renewing it
   * @throws LongtakeException INVALID_REQUEST when it can't be used
   */
  public static Postgresql open(String url, Duration lease) {
    PGSimpleDataSource source = source(url, PATIENCE);
    String place =
        "%s:%d/%s"
            .formatted(
                source.getServerNames()[0], source.getPortNumbers()[0], source.getDatabaseName());
    Migrations.run(source, place, "bytea", List.of(Migrations.JOBS, Migrations.LEADER));
    return new Postgresql(url, lease);
  }

  private static PGSimpleDataSource source(String url, Duration patience) {
    if (!url.startsWith(PREFIX)) {
      throw LongtakeException.invalidField(
          "database", "Expected --database to begin with %s, but it does not".formatted(PREFIX));
    }
    PGSimpleDataSource source = new PGSimpleDataSource();
    try {
      source.setURL(url);
    } catch (IllegalArgumentException e) {
      throw LongtakeException.invalidField(
          "database",
          "Expected --database like %s//HOST:PORT/DATABASE, but it can't be read"
              .formatted(PREFIX));
    }
    int seconds = Math.max(1, (int) patience.toSeconds());
    source.setConnectTimeout(seconds);
    source.setLoginTimeout(seconds);
    source.setSocketTimeout(seconds);
    return source;
  }

  /** The lease; the caller closes it. */
  public LeaseTable leases() {
    Duration timeout = lease.dividedBy(3);
    return new LeaseTable(source(url, timeout), timeout);
  }

  /**
   * The jobs, for the coordinator that leads. Each transaction holds the leader's row, so that it is either complete before somebody else
   * leads, or fails with a {@link FencedException}. The server ends one whose coordinator froze in its middle after the time of a lease:
   * nobody could take over else.
   *
   * @param epoch in which it leads
   * @param isHeld whether the lease lasts, by the coordinator's own clock; asked before each transaction
   */
  public JobDatabase jobs(long epoch, BooleanSupplier isHeld) {
    PGSimpleDataSource source = source(url, PATIENCE);
    source.setOptions("-c idle_in_transaction_session_timeout=" + lease.toMillis());
    return new SqlJobDatabase(
        source,
        open -> {
          if (!isHeld.getAsBoolean()) {
            throw new FencedException("the lease of this coordinator has ended");
          }
          try (PreparedStatement select =
              open.prepareStatement("select 1 from leader where epoch = ? for key share")) {
            select.setLong(1, epoch);
            try (ResultSet found = select.executeQuery()) {
              if (!found.next()) {
                throw new FencedException("another coordinator leads now");
              }
            }
          }
        });
  }
}
