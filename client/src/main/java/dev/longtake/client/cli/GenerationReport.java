package dev.longtake.client.cli;

import com.google.gson.GsonBuilder;
import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.Job;
import dev.longtake.v1.Precision;
import dev.longtake.v1.StageTime;
import dev.longtake.v1.Video;
import java.math.BigInteger;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * What a finished generation tells its user: the file, the seed, the plan, and where the time went.
 *
 * @param file the MP4
 * @param job the done job
 * @param stages where the time went, in order; they don't overlap
 */
public record GenerationReport(Path file, Job job, List<Stage> stages) {
  public GenerationReport {
    stages = List.copyOf(stages);
  }

  /** Wall-clock seconds of one stage. */
  public record Stage(String name, double seconds) {}

  /** The report of a job, with the stages that only the caller knows before and after the job's own. */
  public static GenerationReport of(Path file, Job job, List<Stage> before, List<Stage> after) {
    var stages = new ArrayList<Stage>(before);
    for (StageTime stage : job.getStageTimesList()) {
      stages.add(new Stage(stage.getStage(), Texts.seconds(stage.getDuration())));
    }
    stages.addAll(after);
    return new GenerationReport(file, job, stages);
  }

  /** Of all stages together. */
  public double seconds() {
    return stages.stream().mapToDouble(Stage::seconds).sum();
  }

  /** For people; ends with a line break. */
  public String text() {
    Video video = job.getVideo();
    var text = new StringBuilder();
    text.append(
        String.format(
            Locale.ROOT,
            "video  %s (%dx%d, %d frames, %.4g fps, %s)%n",
            file,
            video.getWidth(),
            video.getHeight(),
            video.getFrames(),
            video.getFps(),
            Texts.bytes(video.getSizeBytes())));
    text.append("seed   %s%n".formatted(Long.toUnsignedString(job.getRequest().getSeed())));
    String reason = job.getPlan().getReason();
    text.append(
        "plan   %s%s%n"
            .formatted(Texts.plan(job.getPlan()), reason.isEmpty() ? "" : " (" + reason + ")"));
    int width = stages.stream().mapToInt(stage -> stage.name().length()).max().orElse(0);
    String label = "time";
    for (Stage stage : stages) {
      text.append(row(label, stage.name(), width, stage.seconds()));
      label = "";
    }
    text.append(row(label, "total", width, seconds()));
    return text.toString();
  }

  private static String row(String label, String name, int width, double seconds) {
    return String.format(
        Locale.ROOT, "%-6s %-" + Math.max(5, width) + "s %7.2f s%n", label, name, seconds);
  }

  /** For scripts; one JSON object that ends with a line break. Names are those of the proto. */
  public String json() {
    var json = new JsonObject();
    json.addProperty("file", file.toString());
    json.addProperty("job_id", job.getId());
    json.add("request", requestJson(job.getRequest()));
    var plan = new JsonObject();
    plan.addProperty("sequence_ranks", job.getPlan().getSequenceRanks());
    plan.addProperty("reason", job.getPlan().getReason());
    json.add("plan", plan);
    var workers = new JsonArray();
    job.getWorkerIdsList().forEach(workers::add);
    json.add("worker_ids", workers);
    var video = new JsonObject();
    video.addProperty("width", job.getVideo().getWidth());
    video.addProperty("height", job.getVideo().getHeight());
    video.addProperty("frames", job.getVideo().getFrames());
    video.addProperty("fps", job.getVideo().getFps());
    video.addProperty("size_bytes", job.getVideo().getSizeBytes());
    video.addProperty("sha256", job.getVideo().getSha256());
    json.add("video", video);
    var stageArray = new JsonArray();
    for (Stage stage : stages) {
      var object = new JsonObject();
      object.addProperty("stage", stage.name());
      object.addProperty("seconds", stage.seconds());
      stageArray.add(object);
    }
    json.add("stage_times", stageArray);
    json.addProperty("seconds", seconds());
    return new GsonBuilder().setPrettyPrinting().disableHtmlEscaping().create().toJson(json) + "\n";
  }

  private static JsonObject requestJson(GenerationRequest request) {
    var json = new JsonObject();
    json.addProperty("prompt", request.getPrompt());
    json.addProperty("width", request.getWidth());
    json.addProperty("height", request.getHeight());
    json.addProperty("frames", request.getFrames());
    json.addProperty("steps", request.getSteps());
    json.addProperty("guidance", request.getGuidance());
    // Unsigned: what is printed here is accepted by --seed.
    json.addProperty("seed", new BigInteger(Long.toUnsignedString(request.getSeed())));
    json.addProperty("upscale", request.getUpscale());
    json.addProperty(
        "precision", request.getPrecision() == Precision.PRECISION_BF16 ? "bf16" : "f32");
    return json;
  }
}
