package dev.longtake.coordinator.jobs;

import dev.longtake.v1.JobState;

/** The life of a job: queued, running, queued again when its workers are lost, and one of three ends. */
public final class JobStates {
  private JobStates() {}

  /** Whether nothing can follow. */
  public static boolean isTerminal(JobState state) {
    return switch (state) {
      case JOB_STATE_DONE, JOB_STATE_FAILED, JOB_STATE_CANCELED -> true;
      case JOB_STATE_QUEUED, JOB_STATE_RUNNING, JOB_STATE_UNSPECIFIED, UNRECOGNIZED -> false;
    };
  }

  static boolean isLegal(JobState from, JobState to) {
    return switch (from) {
      case JOB_STATE_QUEUED ->
          to == JobState.JOB_STATE_RUNNING
              || to == JobState.JOB_STATE_FAILED
              || to == JobState.JOB_STATE_CANCELED;
      case JOB_STATE_RUNNING -> isTerminal(to) || to == JobState.JOB_STATE_QUEUED;
      // Not there yet.
      case JOB_STATE_UNSPECIFIED -> to == JobState.JOB_STATE_QUEUED;
      case JOB_STATE_DONE, JOB_STATE_FAILED, JOB_STATE_CANCELED, UNRECOGNIZED -> false;
    };
  }

  /** For people: {@code "running"}. */
  public static String name(JobState state) {
    return switch (state) {
      case JOB_STATE_QUEUED -> "queued";
      case JOB_STATE_RUNNING -> "running";
      case JOB_STATE_DONE -> "done";
      case JOB_STATE_FAILED -> "failed";
      case JOB_STATE_CANCELED -> "canceled";
      case JOB_STATE_UNSPECIFIED, UNRECOGNIZED -> "unknown";
    };
  }
}
