package dev.longtake.coordinator.api;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.coordinator.artifacts.JobArtifacts;
import dev.longtake.coordinator.jobs.JobEntry;
import dev.longtake.v1.Continuation;
import dev.longtake.v1.ContinuationToken;
import dev.longtake.v1.Job;
import dev.longtake.v1.StoredTail;
import java.util.Optional;

/** Makes continuation tokens of jobs. */
final class Continuations {
  /** A segment may end, and the tail before go, while a token is made. */
  private static final int TRIES = 3;

  private final JobArtifacts artifacts;

  Continuations(JobArtifacts artifacts) {
    this.artifacts = artifacts;
  }

  /**
   * Of the job's last done segment.
   *
   * @throws LongtakeException WRONG_STATE when there is none, or its last frames are gone
   */
  ContinuationToken of(JobEntry entry) {
    for (int i = 0; i < TRIES; i++) {
      Job job = entry.snapshot();
      if (job.getSegmentsDone() == 0) {
        throw new LongtakeException(
            ErrorCode.WRONG_STATE,
            "Expected a job with a done segment, but job %s has none yet; watch it until a segment is done"
                .formatted(job.getId()));
      }
      Optional<StoredTail> tail = artifacts.readTail(job.getId(), job.getSegmentsDone());
      if (tail.isPresent()) {
        return token(entry, job, tail.get());
      }
    }
    throw new LongtakeException(
        ErrorCode.WRONG_STATE,
        "Expected the last frames of job %s, but there are none: its clips have one frame, or somebody deleted them"
            .formatted(entry.id()));
  }

  private static ContinuationToken token(JobEntry entry, Job job, StoredTail tail) {
    int segments = job.getBeginning().getSegmentsBefore() + job.getSegmentsDone();
    long frames = job.getBeginning().getFramesBefore() + job.getFramesDone();
    Continuation continuation =
        Continuation.newBuilder()
            .setModelFingerprint(entry.card().getFingerprint())
            .setRequest(job.getRequest())
            .setSegments(segments)
            .setFrames(frames)
            .setSegmentsDone(job.getSegmentsDone())
            .setTail(tail.getLatents())
            .build();
    return ContinuationToken.newBuilder()
        .setToken(ContinuationTokens.write(continuation))
        .setSegments(segments)
        .setFrames(frames)
        .build();
  }
}
