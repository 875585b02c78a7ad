package dev.longtake.coordinator.web.openai;

import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.Job;
import dev.longtake.v1.JobState;
import dev.longtake.v1.LongVideo;
import dev.longtake.v1.ModelCard;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.Locale;
import java.util.Optional;

/** A job as OpenAI's API shows a video. */
final class VideoJson {
  private static final int WHOLE = 100;

  private VideoJson() {}

  /**
   * The video object.
   *
   * @param card of the model that is served now, for the length of videos that are not done
   */
  static JsonObject of(Job job, Optional<ModelCard> card) {
    GenerationRequest request = job.getRequest();
    JsonObject video = new JsonObject();
    video.addProperty("id", job.getId());
    video.addProperty("object", "video");
    video.addProperty("model", job.getModel());
    video.addProperty("status", status(job.getState()));
    video.addProperty("progress", progress(job));
    video.addProperty("created_at", job.getSubmittedAt().getSeconds());
    if (job.getState() == JobState.JOB_STATE_DONE && job.getHistoryCount() > 0) {
      video.addProperty(
          "completed_at", job.getHistory(job.getHistoryCount() - 1).getTime().getSeconds());
    } else {
      video.add("completed_at", JsonNull.INSTANCE);
    }
    video.add("expires_at", JsonNull.INSTANCE);
    video.addProperty("prompt", request.getPrompt());
    video.addProperty(
        "size",
        "%dx%d"
            .formatted(
                request.getWidth() * request.getUpscale(),
                request.getHeight() * request.getUpscale()));
    seconds(job, card)
        .ifPresentOrElse(
            seconds -> video.addProperty("seconds", seconds),
            () -> video.add("seconds", JsonNull.INSTANCE));
    video.add("remixed_from_video_id", JsonNull.INSTANCE);
    video.add("error", error(job));
    return video;
  }

  private static String status(JobState state) {
    return switch (state) {
      case JOB_STATE_UNSPECIFIED, JOB_STATE_QUEUED, UNRECOGNIZED -> "queued";
      case JOB_STATE_RUNNING -> "in_progress";
      case JOB_STATE_DONE -> "completed";
      case JOB_STATE_FAILED, JOB_STATE_CANCELED -> "failed";
    };
  }

  /** Of the steps of all segments; 100 is said of finished videos only. */
  private static int progress(Job job) {
    if (job.getState() == JobState.JOB_STATE_DONE) {
      return WHOLE;
    }
    long steps = job.getRequest().getSteps();
    long all = steps * Math.max(1, job.getRequest().getLongVideo().getSegments());
    long done = steps * job.getSegmentsDone() + job.getStepsDone();
    return all == 0 ? 0 : (int) Math.min(WHOLE - 1, WHOLE * done / all);
  }

  private static Optional<String> seconds(Job job, Optional<ModelCard> card) {
    if (job.hasVideo()) {
      return Optional.of(seconds(job.getVideo().getFrames(), job.getVideo().getFps()));
    }
    return card.filter(served -> served.getName().equals(job.getModel()))
        .map(served -> seconds(frames(job.getRequest()), served.getFps()));
  }

  private static String seconds(long frames, double fps) {
    return BigDecimal.valueOf(frames / fps)
        .setScale(3, RoundingMode.HALF_UP)
        .stripTrailingZeros()
        .toPlainString();
  }

  private static long frames(GenerationRequest request) {
    LongVideo video = request.getLongVideo();
    long more = Math.max(0, video.getSegments() - 1);
    return request.getFrames() + more * (request.getFrames() - video.getOverlap());
  }

  private static com.google.gson.JsonElement error(Job job) {
    if (job.getState() == JobState.JOB_STATE_CANCELED) {
      return error("canceled", "The video was canceled; it will not be made");
    }
    return job.hasError()
        ? error(job.getError().getReason().toLowerCase(Locale.ROOT), job.getError().getMessage())
        : JsonNull.INSTANCE;
  }

  private static JsonObject error(String code, String message) {
    JsonObject error = new JsonObject();
    error.addProperty("code", code);
    error.addProperty("message", message);
    return error;
  }
}
