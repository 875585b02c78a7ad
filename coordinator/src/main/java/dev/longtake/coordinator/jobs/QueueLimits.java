package dev.longtake.coordinator.jobs;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import java.util.Optional;

/** How many jobs may wait, and what is said when it is enough. */
final class QueueLimits {
  private QueueLimits() {}

  /**
   * Refuses a job of a tenant that has as many as it may.
   *
   * @param jobs of the tenant, waiting and running
   * @throws LongtakeException QUOTA_EXCEEDED
   */
  static void requireQuota(NewJob.Terms terms, int jobs) {
    if (terms.maxTenantJobs().isPresent() && jobs >= terms.maxTenantJobs().getAsInt()) {
      throw new LongtakeException(
          ErrorCode.QUOTA_EXCEEDED,
          "Expected tenant '%s' to have fewer than %d jobs that wait or run, but it has %d; submit again when one has ended"
              .formatted(terms.key().tenant(), terms.maxTenantJobs().getAsInt(), jobs));
    }
  }

  /**
   * What is said when the queue is full.
   *
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
