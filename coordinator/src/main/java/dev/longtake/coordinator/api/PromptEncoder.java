package dev.longtake.coordinator.api;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.rpc.GrpcErrors;
import dev.longtake.coordinator.fleet.Fleet;
import dev.longtake.coordinator.fleet.Member;
import dev.longtake.coordinator.jobs.EncodedPrompt;
import dev.longtake.v1.EncodeTextRequest;
import dev.longtake.v1.ModelCard;
import dev.longtake.v1.Tensor;
import dev.longtake.v1.WorkerGrpc;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;

/** Has a worker turn a prompt into its embedding; another worker is asked when one can't be reached. Thread-safe. */
final class PromptEncoder {
  /** Encodings under way at once; each may hold an embedding of several MiB. */
  private static final int MAX_CONCURRENT = 16;

  private final Fleet fleet;
  private final Duration timeout;
  private final Semaphore permits = new Semaphore(MAX_CONCURRENT);

  /**
   * @param timeout for one worker's answer
   */
  PromptEncoder(Fleet fleet, Duration timeout) {
    this.fleet = fleet;
    this.timeout = timeout;
  }

  /**
   * Blocks until a worker has answered.
   *
   * @param card of the model, which may need the empty prompt's embedding too
   * @throws LongtakeException INVALID_REQUEST for the prompt, NO_WORKERS, QUEUE_FULL, or what the workers failed with
   */
  EncodedPrompt encode(String prompt, ModelCard card) {
    if (!permits.tryAcquire()) {
      throw new LongtakeException(
          ErrorCode.QUEUE_FULL,
          "Expected fewer prompts at once, but %d are being encoded; submit again later"
              .formatted(MAX_CONCURRENT));
    }
    try {
      List<Member> members = fleet.members();
      Tensor embedding =
          encodeOnAny(EncodeTextRequest.newBuilder().setPrompt(prompt).build(), members);
      return new EncodedPrompt(
          embedding,
          card.getEncodesNullText()
              ? Optional.of(
                  encodeOnAny(EncodeTextRequest.newBuilder().setNullText(true).build(), members))
              : Optional.empty());
    } finally {
      permits.release();
    }
  }

  private Tensor encodeOnAny(EncodeTextRequest request, List<Member> members) {
    Optional<LongtakeException> last = Optional.empty();
    for (Member member : members) {
      try {
        return WorkerGrpc.newBlockingStub(member.channel())
            .withDeadlineAfter(timeout.toNanos(), TimeUnit.NANOSECONDS)
            .encodeText(request)
            .getEmbedding();
      } catch (StatusRuntimeException e) {
        LongtakeException failure = GrpcErrors.fromStatus(e, member.toString());
        if (failure.code() == ErrorCode.INVALID_REQUEST) {
          throw LongtakeException.invalidField("prompt", failure.getMessage());
        }
        boolean retriable =
            failure.code() == ErrorCode.UNREACHABLE || failure.code() == ErrorCode.CANCELED;
        if (!retriable) {
          throw failure;
        }
        last = Optional.of(failure);
      }
    }
    throw last.<LongtakeException>map(failure ->
            new LongtakeException(
                ErrorCode.WORKER_LOST,
                "Expected a worker to encode the prompt, but none of %d could be reached, last %s; submit again"
                    .formatted(members.size(), failure.getMessage()),
                failure))
        .orElseGet(PromptEncoder::noWorkers);
  }

  /** The failure of a request that finds an empty cluster. */
  static LongtakeException noWorkers() {
    return new LongtakeException(
        ErrorCode.NO_WORKERS,
        "Expected at least one worker in the cluster, but none has joined; start one with 'longtake"
            + " worker --coordinator HOST:PORT --model DIR'");
  }
}
