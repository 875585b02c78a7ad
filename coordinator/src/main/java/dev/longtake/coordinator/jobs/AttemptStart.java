package dev.longtake.coordinator.jobs;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.coordinator.artifacts.JobArtifacts;
import dev.longtake.v1.SamplerState;
import dev.longtake.v1.StoredPrompt;
import dev.longtake.v1.StoredTail;
import dev.longtake.v1.Tensor;
import java.util.Optional;

/**
 * What an attempt at a segment begins with.
 *
 * @param attempt its number
 * @param segment from 1
 * @param given latents of the frames that the segment begins with, [1, channels, frames, height, width]; empty: none
 * @param state of the sampler after the last step that was kept; empty: from noise
 */
record AttemptStart(
    long attempt,
    int segment,
    StoredPrompt prompt,
    Optional<Tensor> given,
    Optional<SamplerState> state) {
  /**
   * What the job's files have for it.
   *
   * @throws LongtakeException CHECKSUM_MISMATCH when what it needs is damaged or gone
   */
  static AttemptStart read(JobArtifacts artifacts, JobEntry entry, long attempt, int segment) {
    Optional<Tensor> given = Optional.empty();
    if (entry.segments().given(segment) > 0) {
      given =
          Optional.of(
              artifacts
                  .readTail(entry.id(), segment - 1)
                  .map(StoredTail::getLatents)
                  .orElseThrow(() ->
                      new LongtakeException(
                          ErrorCode.CHECKSUM_MISMATCH,
                          "Expected the last frames of segment %d of job %s, but somebody deleted their file; submit the job again"
                              .formatted(segment - 1, entry.id()))));
    }
    return new AttemptStart(
        attempt,
        segment,
        artifacts.readPrompt(entry.id()),
        given,
        artifacts.latestState(entry.id(), segment));
  }

  int stepsKept() {
    return state.map(SamplerState::getStepsDone).orElse(0);
  }
}
