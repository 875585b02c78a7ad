package dev.longtake.coordinator.jobs;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import java.util.Optional;

/** What is said when no more jobs may wait. */
final class QueueLimits {
  private QueueLimits() {}

  /**
   * @param waiting jobs
   * @param seconds until the next place is free, where that is known
   */
  static LongtakeException full(int waiting, int limit, Optional<Long> seconds) {
    return new LongtakeException(
        ErrorCode.QUEUE_FULL,
        "Expected room in the queue, but %d of %d jobs wait%s; submit again later or raise --queue-limit"
            .formatted(
                waiting,
                limit,
                seconds.map(", and the next place is free in about %d s"::formatted).orElse("")));
  }
}
