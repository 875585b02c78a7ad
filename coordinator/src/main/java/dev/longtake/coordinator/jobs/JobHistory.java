package dev.longtake.coordinator.jobs;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;

/** The jobs that ended, as many as are remembered, in order of their ends. Not thread-safe: {@link JobStore} guards it. */
final class JobHistory {
  /** Terminal jobs that are remembered. */
  static final int MAX_JOBS = 1000;

  /** Events of terminal jobs that are remembered: about 150 bytes each. */
  static final int MAX_EVENTS = 200_000;

  private final ArrayDeque<JobEntry> ended = new ArrayDeque<>();
  private int events;

  void add(JobEntry entry) {
    ended.add(entry);
    events += entry.eventCount();
  }

  /** Removes and returns those that are too many, the oldest first. */
  List<JobEntry> trim() {
    List<JobEntry> forgotten = new ArrayList<>();
    while (ended.size() > MAX_JOBS || (events > MAX_EVENTS && ended.size() > 1)) {
      JobEntry oldest = ended.removeFirst();
      events -= oldest.eventCount();
      forgotten.add(oldest);
    }
    return forgotten;
  }
}
