package dev.longtake.coordinator.jobs;

import com.google.protobuf.util.Timestamps;
import dev.longtake.common.error.ErrorCode;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.TreeSet;

/** Jobs with a deadline, by it. Not thread-safe: {@link JobStore} guards it. */
final class Deadlines {
  private final TreeSet<JobEntry> byDeadline =
      new TreeSet<>(Comparator.comparingLong(Deadlines::millis).thenComparing(JobEntry::id));

  /** No effect without a deadline. */
  void add(JobEntry entry) {
    if (entry.snapshot().hasDeadlineAt()) {
      byDeadline.add(entry);
    }
  }

  void remove(JobEntry entry) {
    byDeadline.remove(entry);
  }

  /** Removes and returns those whose deadline is not after {@code now}. */
  List<JobEntry> passed(Instant now) {
    List<JobEntry> passed = new ArrayList<>();
    while (!byDeadline.isEmpty() && millis(byDeadline.first()) <= now.toEpochMilli()) {
      passed.add(byDeadline.removeFirst());
    }
    return passed;
  }

  /** The end of one of those. */
  static Outcome outcome(JobEntry late) {
    return new Outcome.Failed(
        ErrorCode.TIMED_OUT,
        "Expected the job to end before its deadline, but after %d of %d steps it is over; submit it with a later one"
            .formatted(late.snapshot().getStepsDone(), late.request().getSteps()));
  }

  private static long millis(JobEntry entry) {
    return Timestamps.toMillis(entry.snapshot().getDeadlineAt());
  }
}
