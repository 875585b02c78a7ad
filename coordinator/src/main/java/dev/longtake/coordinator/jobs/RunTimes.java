package dev.longtake.coordinator.jobs;

import com.google.protobuf.util.Timestamps;
import dev.longtake.v1.Job;
import dev.longtake.v1.JobState;
import java.time.Duration;
import java.util.Optional;

/** How long jobs take that are done, recent ones counting more; for estimates. Not thread-safe: {@link JobStore} guards it. */
final class RunTimes {
  /** Of the last job in the mean. */
  private static final double WEIGHT = 0.2;

  private double meanMillis = Double.NaN;

  /** A job has ended; only those that are done count. */
  void ended(Job job) {
    if (job.getState() != JobState.JOB_STATE_DONE) {
      return;
    }
    // The last two transitions are its last start and its end.
    int last = job.getHistoryCount() - 1;
    double millis =
        Math.max(
            0,
            Timestamps.toMillis(job.getHistory(last).getTime())
                - Timestamps.toMillis(job.getHistory(last - 1).getTime()));
    meanMillis = Double.isNaN(meanMillis) ? millis : meanMillis + WEIGHT * (millis - meanMillis);
  }

  /**
   * Until a queued job starts.
   *
   * @param position 0 for the next one
   * @param running jobs that run; where none does, the next one starts at once
   * @return empty when no job is done yet
   */
  Optional<Duration> untilStart(int position, int running) {
    return estimate(running == 0 ? position : position + 1, running).map(Duration::ofSeconds);
  }

  /**
   * Seconds until so many jobs will have ended, rounded up.
   *
   * @param atOnce jobs that run at the same time
   * @return empty when no job is done yet
   */
  Optional<Long> estimate(int jobs, int atOnce) {
    return Double.isNaN(meanMillis)
        ? Optional.empty()
        : Optional.of((long) Math.ceil(jobs * meanMillis / Math.max(1, atOnce) / 1000));
  }
}
