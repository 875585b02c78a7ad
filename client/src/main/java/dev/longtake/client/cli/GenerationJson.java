package dev.longtake.client.cli;

import com.google.gson.GsonBuilder;
import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import dev.longtake.v1.BlockRange;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.Handover;
import dev.longtake.v1.Job;
import dev.longtake.v1.LongVideo;
import dev.longtake.v1.Plan;
import dev.longtake.v1.PlanPrediction;
import dev.longtake.v1.Precision;
import dev.longtake.v1.RankTime;
import dev.longtake.v1.Reuse;
import dev.longtake.v1.SegmentPrompt;
import dev.longtake.v1.Video;
import dev.longtake.v1.WorkerPrediction;
import java.math.BigInteger;

/** A generation's report for scripts. Names are those of the proto; durations are in seconds and say so. */
final class GenerationJson {
  private GenerationJson() {}

  /** One JSON object that ends with a line break. */
  static String of(GenerationReport report) {
    Job job = report.job();
    var json = new JsonObject();
    json.addProperty("file", report.file().toString());
    json.addProperty("job_id", job.getId());
    json.add("request", request(job.getRequest()));
    json.add("plan", plan(job.getPlan()));
    var workers = new JsonArray();
    job.getWorkerIdsList().forEach(workers::add);
    json.add("worker_ids", workers);
    json.add("video", video(job.getVideo()));
    report.stepSeconds().ifPresent(seconds -> json.addProperty("step_seconds", seconds));
    var ranks = new JsonArray();
    job.getRankTimesList().forEach(rank -> ranks.add(rank(rank)));
    json.add("rank_times", ranks);
    if (job.hasReuse()) {
      json.add("reuse", reuse(job.getReuse()));
    }
    var stages = new JsonArray();
    for (GenerationReport.Stage stage : report.stages()) {
      var object = new JsonObject();
      object.addProperty("stage", stage.name());
      object.addProperty("seconds", stage.seconds());
      stages.add(object);
    }
    json.add("stage_times", stages);
    json.addProperty("seconds", report.seconds());
    return new GsonBuilder().setPrettyPrinting().disableHtmlEscaping().create().toJson(json) + "\n";
  }

  private static JsonObject reuse(Reuse reuse) {
    var json = new JsonObject();
    json.addProperty("embeddings_reused", reuse.getEmbeddingsReused());
    json.addProperty("encoder_runs", reuse.getEncoderRuns());
    json.addProperty("conditions_reused", reuse.getConditionsReused());
    json.addProperty("conditions_prepared", reuse.getConditionsPrepared());
    json.addProperty("condition_projections", reuse.getConditionProjections());
    return json;
  }

  private static JsonObject request(GenerationRequest request) {
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
    if (request.hasLongVideo()) {
      json.add("long_video", longVideo(request.getLongVideo()));
    }
    json.addProperty(
        "precision", request.getPrecision() == Precision.PRECISION_BF16 ? "bf16" : "f32");
    if (request.hasStepCache()) {
      json.addProperty("step_cache", StepCacheText.format(request.getStepCache()));
    }
    return json;
  }

  private static JsonObject longVideo(LongVideo video) {
    var json = new JsonObject();
    json.addProperty("segments", video.getSegments());
    json.addProperty("overlap", video.getOverlap());
    json.addProperty("edit_ratio", video.getEditRatio());
    json.addProperty(
        "handover", video.getHandover() == Handover.HANDOVER_PIXELS ? "pixels" : "latents");
    var prompts = new JsonArray();
    for (SegmentPrompt prompt : video.getPromptsList()) {
      var object = new JsonObject();
      object.addProperty("from_segment", prompt.getFromSegment());
      object.addProperty("prompt", prompt.getPrompt());
      prompts.add(object);
    }
    json.add("prompts", prompts);
    return json;
  }

  private static JsonObject plan(Plan plan) {
    var json = new JsonObject();
    json.addProperty("text", PlanText.format(plan));
    json.addProperty("reason", plan.getReason());
    json.addProperty("branch_groups", Math.max(1, plan.getBranchGroups()));
    var stages = new JsonArray();
    for (BlockRange range : plan.getStagesList()) {
      var object = new JsonObject();
      object.addProperty("start", range.getStart());
      object.addProperty("end", range.getEnd());
      stages.add(object);
    }
    json.add("stages", stages);
    json.addProperty("sequence_ranks", plan.getSequenceRanks());
    json.addProperty("sequence_mode", plan.getSequenceMode().name());
    var shares = new JsonArray();
    plan.getSequenceSharesList().forEach(shares::add);
    json.add("sequence_shares", shares);
    json.addProperty("micro_batches", Math.max(1, plan.getMicroBatches()));
    json.addProperty("wire_format", WireFormats.name(plan.getWireFormat()));
    if (plan.hasPrediction()) {
      json.add("prediction", prediction(plan.getPrediction()));
    }
    return json;
  }

  private static JsonObject prediction(PlanPrediction prediction) {
    var json = new JsonObject();
    json.addProperty("step_seconds", Texts.seconds(prediction.getStep()));
    json.addProperty("exposed_exchange_seconds", Texts.seconds(prediction.getExposedExchange()));
    json.addProperty("jobs_in_flight", prediction.getJobsInFlight());
    var workers = new JsonArray();
    for (WorkerPrediction worker : prediction.getWorkersList()) {
      var object = new JsonObject();
      object.addProperty("compute_seconds", Texts.seconds(worker.getCompute()));
      object.addProperty("memory_bytes", worker.getMemoryBytes());
      object.addProperty("sent_bytes", worker.getSentBytes());
      workers.add(object);
    }
    json.add("workers", workers);
    return json;
  }

  private static JsonObject rank(RankTime rank) {
    var json = new JsonObject();
    json.addProperty("worker_id", rank.getWorkerId());
    json.addProperty("compute_seconds", Texts.seconds(rank.getCompute()));
    json.addProperty("exchange_exposed_seconds", Texts.seconds(rank.getExchangeExposed()));
    json.addProperty("exchange_hidden_seconds", Texts.seconds(rank.getExchangeHidden()));
    json.addProperty("idle_seconds", Texts.seconds(rank.getIdle()));
    json.addProperty("sampling_seconds", Texts.seconds(rank.getSampling()));
    json.addProperty("sent_bytes", rank.getSentBytes());
    json.addProperty("peak_device_bytes", rank.getPeakDeviceBytes());
    json.addProperty("peak_exchange_bytes", rank.getPeakExchangeBytes());
    return json;
  }

  private static JsonObject video(Video video) {
    var json = new JsonObject();
    json.addProperty("width", video.getWidth());
    json.addProperty("height", video.getHeight());
    json.addProperty("frames", video.getFrames());
    json.addProperty("fps", video.getFps());
    json.addProperty("size_bytes", video.getSizeBytes());
    json.addProperty("sha256", video.getSha256());
    if (video.hasStepCache()) {
      json.addProperty("step_cache", StepCacheText.format(video.getStepCache()));
      json.add("step_cache_use", StepCacheText.json(video.getStepCacheUse()));
    }
    return json;
  }
}
