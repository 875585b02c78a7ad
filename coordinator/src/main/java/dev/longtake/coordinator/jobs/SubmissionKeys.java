package dev.longtake.coordinator.jobs;

import com.google.protobuf.ByteString;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.error.Quoted;
import dev.longtake.coordinator.jobs.NewJob.IdempotencyKey;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/** Which job a submission's idempotency key has made, as long as the job is remembered. Not thread-safe: {@link JobStore} guards it. */
final class SubmissionKeys {
  private final Map<IdempotencyKey, JobEntry> jobs = new HashMap<>();

  /** No effect without a key; nor for a submission that was refused because it could not be stored: its retry is a new job. */
  void add(JobEntry entry) {
    boolean wasRefused =
        entry.snapshot().getError().getReason().equals(ErrorCode.STORAGE_UNAVAILABLE.name());
    if (!entry.idempotencyKey().value().isEmpty() && !wasRefused) {
      jobs.put(entry.idempotencyKey(), entry);
    }
  }

  void remove(JobEntry entry) {
    jobs.remove(entry.idempotencyKey(), entry);
  }

  /**
   * The job that a key has made.
   *
   * @throws LongtakeException INVALID_REQUEST when that was with another request
   */
  Optional<JobEntry> find(IdempotencyKey key, ByteString requestDigest) {
    Optional<JobEntry> found = Optional.ofNullable(jobs.get(key));
    if (found.isPresent() && !found.get().isOf(requestDigest)) {
      throw LongtakeException.invalidField(
          "idempotency_key",
          "Expected a key that was used for the same request, or a new one, but %s was used for another request, which is job %s"
              .formatted(Quoted.of(key.value()), found.get().id()));
    }
    return found;
  }
}
