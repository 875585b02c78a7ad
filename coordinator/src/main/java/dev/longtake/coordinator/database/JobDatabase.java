package dev.longtake.coordinator.database;

import java.sql.SQLException;
import java.util.List;

/**
 * Jobs on disk. Every call is one transaction; after a failure nothing of it is there, and the next call connects anew. Used by one
 * thread at a time.
 */
public interface JobDatabase extends AutoCloseable {
  /** All jobs with their events, by time of submission, then id; transitions are left out, since a job's record has them, too. */
  List<JobRow> load() throws SQLException;

  /** Adds jobs or replaces them, and adds their events and transitions; what was written before may be written again. */
  void write(List<JobRow> rows) throws SQLException;

  /** Deletes jobs with their events and transitions; ids that are not there are passed over. */
  void delete(List<String> ids) throws SQLException;

  /** Closes the connection; no effect when there is none. */
  @Override
  void close();
}
