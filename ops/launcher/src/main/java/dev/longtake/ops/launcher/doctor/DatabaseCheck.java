package dev.longtake.ops.launcher.doctor;

import dev.longtake.common.error.Quoted;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.SQLException;
import org.jspecify.annotations.Nullable;

/** The coordinator's database, where that is not a file in its data folder. */
final class DatabaseCheck {
  private static final String NAME = "database";
  private static final int TIMEOUT_SECONDS = 10;

  private DatabaseCheck() {}

  static Finding of(@Nullable String url) {
    if (url == null) {
      return Finding.ok(NAME, "SQLite in the data folder");
    }
    DriverManager.setLoginTimeout(TIMEOUT_SECONDS);
    try (Connection connection = DriverManager.getConnection(url)) {
      DatabaseMetaData about = connection.getMetaData();
      return Finding.ok(
          NAME, about.getDatabaseProductName() + " " + about.getDatabaseProductVersion());
    } catch (SQLException e) {
      // The URL may have a password.
      return Finding.failed(
          NAME,
          "no connection: " + Quoted.line(e.getMessage()),
          "correct --database, or start PostgreSQL; 'psql' with the same user and host says more");
    }
  }
}
