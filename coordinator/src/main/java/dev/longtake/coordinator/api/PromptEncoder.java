package dev.longtake.coordinator.api;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.rpc.GrpcErrors;
import dev.longtake.coordinator.cache.EmbeddingCache;
import dev.longtake.coordinator.cache.EmbeddingKey;
import dev.longtake.coordinator.fleet.Fleet;
import dev.longtake.coordinator.fleet.Member;
import dev.longtake.coordinator.jobs.EncodedPrompt;
import dev.longtake.v1.EncodeTextRequest;
import dev.longtake.v1.EncodeTextResponse;
import dev.longtake.v1.ModelCard;
import dev.longtake.v1.Tensor;
import dev.longtake.v1.WorkerGrpc;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Has a worker turn a prompt into its embedding, unless the cache has it; another worker is asked when one can't be reached.
 * Thread-safe.
 */
final class PromptEncoder {
  /** Encodings under way at once; each may hold an embedding of several MiB. */
  private static final int MAX_CONCURRENT = 16;

  /** Prompts that wait for their turn; each holds a call and its text. */
  static final int MAX_WAITING = 256;

  private final Fleet fleet;
  private final Duration timeout;
  private final EmbeddingCache cache;
  private final Semaphore permits = new Semaphore(MAX_CONCURRENT, /* fair= */ true);
  private final Semaphore places = new Semaphore(MAX_CONCURRENT + MAX_WAITING);

  /**
   * @param timeout for one worker's answer
   */
  PromptEncoder(Fleet fleet, Duration timeout, EmbeddingCache cache) {
    this.fleet = fleet;
    this.timeout = timeout;
    this.cache = cache;
  }

  /**
   * Blocks until a worker has answered.
   *
   * @param segmentPrompts of later segments
   * @param card of the model, which may need the empty prompt's embedding too
   * @throws LongtakeException INVALID_REQUEST for the prompt, NO_WORKERS, QUEUE_FULL, or what the workers failed with
   */
  EncodedPrompt encode(String prompt, List<String> segmentPrompts, ModelCard card) {
    if (!places.tryAcquire()) {
      throw new LongtakeException(
          ErrorCode.QUEUE_FULL,
          "Expected fewer prompts at once, but %d are being encoded and %d wait; submit again later"
              .formatted(MAX_CONCURRENT, MAX_WAITING));
    }
    try {
      takePermit();
      try {
        return encodeNow(prompt, segmentPrompts, card);
      } finally {
        permits.release();
      }
    } finally {
      places.release();
    }
  }

  private EncodedPrompt encodeNow(String prompt, List<String> segmentPrompts, ModelCard card) {
    AtomicInteger runs = new AtomicInteger();
    List<Member> members = fleet.members();
    EncodedPrompt.Text text = encodeOnAny(prompt, card, members, runs);
    Optional<EncodedPrompt.Text> nullText =
        card.getEncodesNullText()
            ? Optional.of(encodeOnAny(/* prompt= */ "", card, members, runs))
            : Optional.empty();
    List<EncodedPrompt.Text> later = new ArrayList<>();
    for (String segmentPrompt : segmentPrompts) {
      later.add(encodeOnAny(segmentPrompt, card, members, runs));
    }
    return new EncodedPrompt(text, nullText, later, runs.get());
  }

  /** Waits its turn among those that encode at once, no longer than for one worker's answer. */
  private void takePermit() {
    boolean taken;
    try {
      taken = permits.tryAcquire(timeout.toNanos(), TimeUnit.NANOSECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new LongtakeException(
          ErrorCode.CANCELED, "Interrupted while the prompt waited to be encoded", e);
    }
    if (!taken) {
      throw new LongtakeException(
          ErrorCode.QUEUE_FULL,
          "Expected fewer prompts at once, but %d are being encoded and none ended within %d s; submit again later"
              .formatted(MAX_CONCURRENT, timeout.toSeconds()));
    }
  }

  private EncodedPrompt.Text encodeOnAny(
      String prompt, ModelCard card, List<Member> members, AtomicInteger runs) {
    Optional<LongtakeException> last = Optional.empty();
    for (Member member : members) {
      try {
        return encode(prompt, card, member, runs);
      } catch (LongtakeException failure) {
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

  /** Finds the token ids first, since they and not the words are what the text encoder sees. */
  private EncodedPrompt.Text encode(
      String prompt, ModelCard card, Member member, AtomicInteger runs) {
    if (!cache.isOn()) {
      runs.incrementAndGet();
      EncodeTextResponse encoded = call(member, prompt, /* tokensOnly= */ false);
      return new EncodedPrompt.Text(encoded.getTokenIdsList(), encoded.getEmbedding());
    }
    String encoder = encoder(card, member);
    List<Integer> ids =
        cache.tokens(
            encoder, prompt, () -> call(member, prompt, /* tokensOnly= */ true).getTokenIdsList());
    Tensor embedding =
        cache.get(
            new EmbeddingKey(encoder, ids),
            /* isNullText= */ prompt.isEmpty(),
            () -> {
              runs.incrementAndGet();
              return call(member, prompt, /* tokensOnly= */ false).getEmbedding();
            });
    return new EncodedPrompt.Text(ids, embedding);
  }

  /** The number of threads may change the last bits of what the text encoder's runtime computes. */
  private static String encoder(ModelCard card, Member member) {
    String revision =
        card.getEncoderRevision().isEmpty() ? card.getFingerprint() : card.getEncoderRevision();
    return revision + " on " + member.description().getThreads() + " threads";
  }

  private EncodeTextResponse call(Member member, String prompt, boolean tokensOnly) {
    try {
      return WorkerGrpc.newBlockingStub(member.channel())
          .withDeadlineAfter(timeout.toNanos(), TimeUnit.NANOSECONDS)
          .encodeText(
              EncodeTextRequest.newBuilder()
                  .setPrompt(prompt)
                  .setNullText(prompt.isEmpty())
                  .setTokensOnly(tokensOnly)
                  .build());
    } catch (StatusRuntimeException e) {
      throw GrpcErrors.fromStatus(e, member.toString());
    }
  }

  /** The failure of a request that finds an empty cluster. */
  static LongtakeException noWorkers() {
    return new LongtakeException(
        ErrorCode.NO_WORKERS,
        "Expected at least one worker in the cluster, but none has joined; start one with 'longtake"
            + " worker --coordinator HOST:PORT --model DIR'");
  }
}
