package dev.longtake.client;

import com.google.protobuf.ByteString;
import com.google.protobuf.Duration;
import dev.longtake.limits.InvalidFieldException;
import dev.longtake.limits.RequestLimits;
import dev.longtake.v1.ContinuationToken;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.Handover;
import dev.longtake.v1.LongVideo;
import dev.longtake.v1.Plan;
import dev.longtake.v1.Precision;
import dev.longtake.v1.Priority;
import dev.longtake.v1.SegmentPrompt;
import dev.longtake.v1.StepCache;
import dev.longtake.v1.SubmitRequest;
import dev.longtake.v1.WireFormat;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * What a video is to be. Whatever is left out is the model's default; the job tells what that was.
 *
 * <pre>{@code
 * VideoRequest.of("a red circle moving right").size(256, 144).frames(51).seed(7).build()
 * }</pre>
 *
 * <p>Immutable. {@link LongtakeClient#submit(VideoRequest)} checks it against the model's limits before it is sent.
 */
public final class VideoRequest {
  private final SubmitRequest message;

  private VideoRequest(SubmitRequest message) {
    this.message = message;
  }

  /**
   * A request with a prompt.
   *
   * @param prompt what the video shows
   */
  public static Builder of(String prompt) {
    Builder builder = new Builder();
    builder.video.setPrompt(prompt);
    return builder;
  }

  /**
   * A request for what comes after another job's video; size, frames and overlap are as they were, and so is the prompt unless
   * another one is given.
   *
   * @param token of {@link LongtakeClient#continuation}
   */
  public static Builder after(ContinuationToken token) {
    Builder builder = new Builder();
    builder.job.setContinuation(token.getToken());
    return builder;
  }

  /** As it is sent. */
  public SubmitRequest message() {
    return message;
  }

  /** Collects a request; for one thread. */
  public static final class Builder {
    private final GenerationRequest.Builder video = GenerationRequest.newBuilder();
    private final SubmitRequest.Builder job = SubmitRequest.newBuilder();

    private Builder() {}

    /** What the video shows. */
    public Builder prompt(String prompt) {
      video.setPrompt(prompt);
      return this;
    }

    /** Pixels of the generated video, before it is enlarged. */
    public Builder size(int width, int height) {
      video.setWidth(width).setHeight(height);
      return this;
    }

    /** Frames of the video, or of each segment of a long one. */
    public Builder frames(int frames) {
      video.setFrames(frames);
      return this;
    }

    /** Denoising steps, 1 to 1000. */
    public Builder steps(int steps) {
      video.setSteps(steps);
      return this;
    }

    /** Strength of the classifier-free guidance; 1 follows the prompt without amplification. */
    public Builder guidance(double guidance) {
      video.setGuidance(guidance);
      return this;
    }

    /** Start of the noise, taken as unsigned: the same request with the same seed gives the same bytes. */
    public Builder seed(long seed) {
      video.setSeed(seed);
      return this;
    }

    /** Each pixel becomes so many along each side in the MP4, 1 to 16. */
    public Builder upscale(int upscale) {
      video.setUpscale(upscale);
      return this;
    }

    /** What the model computes in. */
    public Builder precision(Precision precision) {
      video.setPrecision(precision);
      return this;
    }

    /** How activations travel among workers; lossy formats make the video depend on the plan. */
    public Builder wireFormat(WireFormat format) {
      video.setWireFormat(format);
      return this;
    }

    /** Take over what earlier steps computed: faster, and another video. */
    public Builder stepCache(StepCache mode) {
      video.setStepCache(mode);
      return this;
    }

    /** Divide the job just like this instead of letting the planner choose. */
    public Builder plan(Plan plan) {
      video.setPlan(plan);
      return this;
    }

    /** A preview after every so many steps; 0: none. Each takes the time to decode a frame. */
    public Builder previewEvery(int steps) {
      video.setPreviewEvery(steps);
      return this;
    }

    /** A video of so many clips, each of which goes on from the last frames of the one before. */
    public Builder segments(int segments) {
      longVideo().setSegments(segments);
      return this;
    }

    /** Frames that a segment is given of the one before. */
    public Builder overlap(int frames) {
      longVideo().setOverlap(frames);
      return this;
    }

    /** How much those frames may change: 0 keeps them, up to but not including 1. */
    public Builder editRatio(double ratio) {
      longVideo().setEditRatio(ratio);
      return this;
    }

    /** How a segment gets those frames. */
    public Builder handover(Handover handover) {
      longVideo().setHandover(handover);
      return this;
    }

    /** Another prompt from a segment on, 2 or more; call it in the order of the segments. */
    public Builder promptFrom(int segment, String prompt) {
      longVideo().addPrompts(SegmentPrompt.newBuilder().setFromSegment(segment).setPrompt(prompt));
      return this;
    }

    /**
     * What the video begins with: a picture (PNG, JPEG, WebP), which is its first frame, or a video (MP4, WebM), after which it goes on.
     *
     * @throws LongtakeClientException INVALID_REQUEST when it is larger than 32 MiB
     */
    public Builder beginsWith(byte[] media) {
      check(() -> RequestLimits.checkMedia(media.length));
      job.setMedia(ByteString.copyFrom(media));
      return this;
    }

    /**
     * As {@link #beginsWith(byte[])}, from a file, which is read now.
     *
     * @throws LongtakeClientException LOCAL_FILE when it can't be read; INVALID_REQUEST when it is larger than 32 MiB
     */
    public Builder beginsWith(Path media) {
      try {
        long bytes = Files.size(media);
        check(() -> RequestLimits.checkMedia(bytes));
        return beginsWith(Files.readAllBytes(media));
      } catch (IOException e) {
        throw new LongtakeClientException(
            LongtakeClientException.LOCAL_FILE,
            null,
            "Cannot read %s: %s".formatted(media, LongtakeClientException.innermostMessage(e)),
            e);
      }
    }

    /** Whose job it is, for fair shares of the workers. */
    public Builder tenant(String tenant) {
      job.setTenant(tenant);
      return this;
    }

    /** Among the jobs of the tenant. */
    public Builder priority(Priority priority) {
      job.setPriority(priority);
      return this;
    }

    /** From submission to the end; the job fails with TIMED_OUT when it has not ended by then. */
    public Builder deadline(java.time.Duration deadline) {
      job.setDeadline(
          Duration.newBuilder().setSeconds(deadline.toSeconds()).setNanos(deadline.toNanosPart()));
      return this;
    }

    /** Sent again with the same key, the request makes no second job. Default: a new key for each submission. */
    public Builder idempotencyKey(String key) {
      job.setIdempotencyKey(key);
      return this;
    }

    private LongVideo.Builder longVideo() {
      return video.getLongVideoBuilder();
    }

    public VideoRequest build() {
      return new VideoRequest(job.setRequest(video).build());
    }
  }

  /**
   * Runs a check of the limits.
   *
   * @throws LongtakeClientException INVALID_REQUEST, with the field
   */
  static void check(Runnable check) {
    try {
      check.run();
    } catch (InvalidFieldException e) {
      throw new LongtakeClientException(
          LongtakeClientException.INVALID_REQUEST, e.field(), e.getMessage(), e);
    }
  }
}
