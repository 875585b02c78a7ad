package dev.longtake.coordinator.api;

import static dev.longtake.common.error.LongtakeException.invalidField;

import com.google.protobuf.ByteString;
import dev.longtake.common.digest.Sha256;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.error.Quoted;
import dev.longtake.common.stepcache.StepCacheMode;
import dev.longtake.common.stepcache.StepCaches;
import dev.longtake.coordinator.fleet.Fleet;
import dev.longtake.coordinator.jobs.FrameEncoder;
import dev.longtake.coordinator.jobs.NewJob.GivenBeginning;
import dev.longtake.coordinator.jobs.Segments;
import dev.longtake.coordinator.planner.Clips;
import dev.longtake.coordinator.video.MediaReader;
import dev.longtake.limits.LongVideoLimits;
import dev.longtake.limits.RequestLimits;
import dev.longtake.v1.Beginning;
import dev.longtake.v1.ClipGeometry;
import dev.longtake.v1.Continuation;
import dev.longtake.v1.DataType;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.LongVideo;
import dev.longtake.v1.ModelCard;
import dev.longtake.v1.SegmentPrompt;
import dev.longtake.v1.SubmitRequest;
import dev.longtake.v1.Tensor;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Optional;

/** What videos begin with: nothing, a picture, another video, or the end of another job's. */
final class Beginnings {
  private static final int FRAME_AXIS = 2;

  private final Fleet fleet;
  private final MediaReader media;
  private final FrameEncoder encoder;

  /**
   * @param encoder turns frames into latents
   */
  Beginnings(Fleet fleet, MediaReader media, FrameEncoder encoder) {
    this.fleet = fleet;
    this.media = media;
    this.encoder = encoder;
  }

  /**
   * The request, with what it leaves open taken from the job that it continues.
   *
   * @throws LongtakeException INVALID_REQUEST when there is a token that can't be read
   */
  static GenerationRequest request(SubmitRequest submitted) {
    if (!submitted.hasContinuation()) {
      return submitted.getRequest();
    }
    GenerationRequest request = submitted.getRequest();
    GenerationRequest.Builder whole = rest(ContinuationTokens.read(submitted.getContinuation()));
    if (!request.getPrompt().isEmpty() || request.getLongVideo().getPromptsCount() > 0) {
      whole.getLongVideoBuilder().clearPrompts();
    }
    return whole.mergeFrom(request).build();
  }

  /** What was left of a request; where nothing was, one more segment. */
  private static GenerationRequest.Builder rest(Continuation continuation) {
    GenerationRequest before = continuation.getRequest();
    LongVideo video = before.getLongVideo();
    int done = continuation.getSegmentsDone();
    LongVideo.Builder left =
        video.toBuilder().clearPrompts().setSegments(Math.max(1, video.getSegments() - done));
    // Workers may be others.
    GenerationRequest.Builder rest = before.toBuilder().clearPlan();
    for (SegmentPrompt prompt : video.getPromptsList()) {
      if (prompt.getFromSegment() <= done + 1) {
        rest.setPrompt(prompt.getPrompt());
      } else {
        left.addPrompts(prompt.toBuilder().setFromSegment(prompt.getFromSegment() - done));
      }
    }
    return rest.setLongVideo(left);
  }

  /**
   * What the first segment is given.
   *
   * @param request with every default filled in
   * @throws LongtakeException INVALID_REQUEST when the beginning doesn't fit the request or can't be read, INVALID_MODEL when the model has
   *     no encoder, NO_WORKERS or WORKER_LOST
   */
  Optional<GivenBeginning> given(
      SubmitRequest submitted, GenerationRequest request, ModelCard card) {
    return switch (submitted.getBeginningCase()) {
      case MEDIA -> Optional.of(ofMedia(submitted.getMedia(), request, card));
      case CONTINUATION -> Optional.of(ofContinuation(submitted.getContinuation(), request, card));
      case BEGINNING_NOT_SET -> Optional.empty();
    };
  }

  private GivenBeginning ofMedia(ByteString bytes, GenerationRequest request, ModelCard card) {
    RequestValidator.require(() -> RequestLimits.checkMedia(bytes.size()));
    Segments segments = new Segments(request, Beginning.getDefaultInstance());
    if (!LongVideoLimits.canBeginWithFrames(card) || segments.overlap() < 1) {
      throw invalidField(
          "media",
          "Expected a clip of at least 2 frames and a model whose sampler can keep given frames (rectified flow, ancestral), but got %d frames and %s; leave media out"
              .formatted(request.getFrames(), card.getSampler()));
    }
    List<ByteBuffer> frames =
        media.lastFrames(bytes, request.getWidth(), request.getHeight(), segments.overlap());
    Tensor latents =
        encoder.encode(frames, request.getWidth(), request.getHeight(), fleet.members());
    return new GivenBeginning(
        Beginning.newBuilder()
            .setSha256(Sha256.hex(bytes.toByteArray()))
            .setGivenFrames(frames.size())
            // A picture is part of what people want to see; a video's end they have seen.
            .setIsShown(frames.size() == 1)
            .build(),
        latents);
  }

  /**
   * The last frames that a token holds.
   *
   * @throws LongtakeException INVALID_REQUEST when it doesn't fit the request or the model
   */
  static GivenBeginning ofContinuation(
      ByteString token, GenerationRequest request, ModelCard card) {
    Continuation continuation = ContinuationTokens.read(token);
    GenerationRequest before = continuation.getRequest();
    if (!continuation.getModelFingerprint().equals(card.getFingerprint())) {
      throw invalidField(
          "continuation",
          "Expected a video made by the model %s with the fingerprint %s, but it was made by one with %s; continue it on a cluster that serves that one"
              .formatted(
                  card.getName(), card.getFingerprint(), continuation.getModelFingerprint()));
    }
    requireSame("width", before.getWidth(), request.getWidth());
    requireSame("height", before.getHeight(), request.getHeight());
    requireSame("frames", before.getFrames(), request.getFrames());
    requireSame("upscale", before.getUpscale(), request.getUpscale());
    StepCacheMode cacheBefore = StepCaches.of(before.getStepCache(), card.getProfile());
    StepCacheMode cache = StepCaches.of(request.getStepCache(), card.getProfile());
    if (!cacheBefore.equals(cache)) {
      throw invalidField(
          "step_cache",
          "Expected the step cache of the video that is continued, %s, but got %s; leave it out"
              .formatted(StepCaches.words(cacheBefore), StepCaches.words(cache)));
    }
    int overlap = overlap(continuation, request, card);
    requireSame(
        "long_video.overlap",
        overlap,
        new Segments(request, Beginning.getDefaultInstance()).overlap());
    return new GivenBeginning(
        Beginning.newBuilder()
            .setSha256(Sha256.hex(token.toByteArray()))
            .setGivenFrames(overlap)
            .setSegmentsBefore(continuation.getSegments())
            .setFramesBefore(continuation.getFrames())
            .build(),
        continuation.getTail());
  }

  /** Frames of the tail; a hash is no signature, so anything may be in a token. */
  private static int overlap(Continuation continuation, GenerationRequest request, ModelCard card) {
    Tensor tail = continuation.getTail();
    ClipGeometry clip = Clips.geometry(card, request);
    long frames = tail.getShapeCount() > FRAME_AXIS ? tail.getShape(FRAME_AXIS) : 0;
    List<Long> expected =
        List.of(
            1L,
            (long) card.getLatentChannels(),
            frames,
            (long) clip.getLatentHeight(),
            (long) clip.getLatentWidth());
    boolean isWhole =
        frames > 0
            && frames < clip.getLatentFrames()
            && tail.getShapeList().equals(expected)
            && tail.getDataType() == DataType.DATA_TYPE_F32
            && tail.getData().size()
                == expected.stream().reduce((long) Float.BYTES, Math::multiplyExact)
            && continuation.getSegments() > 0
            && continuation.getFrames() > 0;
    if (!isWhole) {
      throw invalidField(
          "continuation",
          "Expected a token with the last frames of a clip of %d x %d latents, but got a tensor %s after segment %d, frame %d; fetch the token again"
              .formatted(
                  clip.getLatentWidth(),
                  clip.getLatentHeight(),
                  Quoted.line(tail.getShapeList().toString()),
                  continuation.getSegments(),
                  continuation.getFrames()));
    }
    return (int) frames;
  }

  private static void requireSame(String field, int before, int now) {
    if (before != now) {
      throw invalidField(
          field,
          "Expected the %s of the video that is continued, %d, but got %d; leave it out"
              .formatted(field, before, now));
    }
  }
}
