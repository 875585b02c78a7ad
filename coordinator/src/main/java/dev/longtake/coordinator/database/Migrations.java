package dev.longtake.coordinator.database;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import java.util.List;
import java.util.Map;
import javax.sql.DataSource;
import org.flywaydb.core.Flyway;
import org.flywaydb.core.api.FlywayException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Brings tables up to date, by Flyway. */
final class Migrations {
  static final String JOBS = "classpath:dev/longtake/coordinator/database";
  static final String LEADER = "classpath:dev/longtake/coordinator/leader";

  private static final Logger log = LoggerFactory.getLogger(Migrations.class);

  private Migrations() {}

  /**
   * @param place for messages
   * @param bytesType the database's type for bytes
   * @throws LongtakeException INVALID_REQUEST when the database can't be used
   */
  static void run(DataSource source, String place, String bytesType, List<String> locations) {
    try {
      var result =
          Flyway.configure()
              .dataSource(source)
              .locations(locations.toArray(String[]::new))
              .placeholders(Map.of("bytes", bytesType))
              .load()
              .migrate();
      log.debug(
          "Jobs are stored in {}, schema version {}",
          place,
          result.targetSchemaVersion == null
              ? result.initialSchemaVersion
              : result.targetSchemaVersion);
    } catch (FlywayException e) {
      throw new LongtakeException(
          ErrorCode.INVALID_REQUEST,
          "Expected a database for jobs at %s, but it can't be used: %s"
              .formatted(place, lastMessage(e)),
          e);
    }
  }

  /** One line: the cause at the bottom says what happened. */
  private static String lastMessage(Throwable error) {
    Throwable bottom = error;
    while (bottom.getCause() != null) {
      bottom = bottom.getCause();
    }
    return String.valueOf(bottom.getMessage()).lines().findFirst().orElse("");
  }
}
