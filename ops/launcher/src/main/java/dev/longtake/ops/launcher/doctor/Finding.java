package dev.longtake.ops.launcher.doctor;

import java.util.Locale;

/**
 * What one check found.
 *
 * @param check its name
 * @param found one line
 * @param advice what to do, one line; empty when there is nothing to do
 */
record Finding(String check, Outcome outcome, String found, String advice) {
  enum Outcome {
    OK,
    WARNING,
    FAILED,
    /** There was nothing to look at. */
    SKIPPED;

    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /** The same among findings of other roles. */
  Finding of(Role role) {
    return new Finding("%s: %s".formatted(role, check), outcome, found, advice);
  }

  static Finding ok(String check, String found) {
    return new Finding(check, Outcome.OK, found, "");
  }

  static Finding warning(String check, String found, String advice) {
    return new Finding(check, Outcome.WARNING, found, advice);
  }

  static Finding failed(String check, String found, String advice) {
    return new Finding(check, Outcome.FAILED, found, advice);
  }

  static Finding skipped(String check, String found) {
    return new Finding(check, Outcome.SKIPPED, found, "");
  }
}
