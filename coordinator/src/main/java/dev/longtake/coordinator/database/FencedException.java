package dev.longtake.coordinator.database;

import java.sql.SQLException;

/** The coordinator does not lead any more: nothing was written, and nothing will be. */
public final class FencedException extends SQLException {
  private static final long serialVersionUID = 1L;

  FencedException(String message) {
    super(message);
  }
}
