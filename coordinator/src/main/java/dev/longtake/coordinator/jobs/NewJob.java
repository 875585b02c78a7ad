package dev.longtake.coordinator.jobs;

import com.google.protobuf.ByteString;
import dev.longtake.v1.Beginning;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.ModelCard;
import dev.longtake.v1.Priority;
import dev.longtake.v1.Tensor;
import java.time.Duration;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * What makes a job.
 *
 * @param request validated, with every default filled in
 * @param card of the model it was checked against
 * @param prompt encoded
 * @param textEncoderTime how long encoding took
 * @param terms how it is to be treated
 * @param beginning what its video begins with
 */
public record NewJob(
    GenerationRequest request,
    ModelCard card,
    EncodedPrompt prompt,
    Duration textEncoderTime,
    Terms terms,
    Optional<GivenBeginning> beginning) {
  /**
   * How a job is to be treated.
   *
   * @param deadline from submission to the end
   * @param maxTenantJobs that may wait and run together; empty for no limit
   * @param requestDigest SHA-256 of the request and the beginning as they came
   */
  public record Terms(
      IdempotencyKey key,
      Priority priority,
      Optional<Duration> deadline,
      OptionalInt maxTenantJobs,
      ByteString requestDigest) {}

  /**
   * What a video begins with.
   *
   * @param latents [1, channels, frames, height, width], float32
   */
  public record GivenBeginning(Beginning beginning, Tensor latents) {}

  /**
   * What tells a retried submission from a new one.
   *
   * @param tenant whose key it is
   * @param value empty for none: every submission is a new job
   */
  public record IdempotencyKey(String tenant, String value) {}
}
