package dev.longtake.client.cli;

import dev.longtake.v1.Job;
import dev.longtake.v1.PlanPrediction;
import dev.longtake.v1.RankTime;
import dev.longtake.v1.StageTime;
import dev.longtake.v1.Video;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.OptionalDouble;

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

  /** Mean of the steps, on the worker that sampled longest; empty where workers did not say. */
  public OptionalDouble stepSeconds() {
    double sampling =
        job.getRankTimesList().stream()
            .mapToDouble(rank -> Texts.seconds(rank.getSampling()))
            .max()
            .orElse(0);
    int steps = job.getRequest().getSteps() * Math.max(1, job.getSegmentsDone());
    return sampling > 0 && steps > 0 ? OptionalDouble.of(sampling / steps) : OptionalDouble.empty();
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
    if (job.getSegmentsDone() > 1) {
      text.append(
          "parts  %d segments, each of which goes on from %d frames of the one before (%s)%n"
              .formatted(
                  job.getSegmentsDone(),
                  job.getRequest().getLongVideo().getOverlap(),
                  Texts.handover(job.getRequest().getLongVideo().getHandover())));
    }
    String reason = job.getPlan().getReason();
    text.append(
        "plan   %s%s%n"
            .formatted(Texts.plan(job.getPlan()), reason.isEmpty() ? "" : " (" + reason + ")"));
    if (video.hasStepCache()) {
      text.append(
          "cache  %s: %s%n"
              .formatted(
                  StepCacheText.format(video.getStepCache()),
                  StepCacheText.use(video.getStepCacheUse())));
    }
    if (job.hasReuse()) {
      text.append("reused %s%n".formatted(CacheText.reuse(job.getReuse())));
    }
    appendStep(text);
    appendRanks(text);
    int width = stages.stream().mapToInt(stage -> stage.name().length()).max().orElse(0);
    String label = "time";
    for (Stage stage : stages) {
      text.append(row(label, stage.name(), width, stage.seconds()));
      label = "";
    }
    text.append(row(label, "total", width, seconds()));
    return text.toString();
  }

  private void appendStep(StringBuilder text) {
    if (stepSeconds().isEmpty()) {
      return;
    }
    text.append(String.format(Locale.ROOT, "step   %.3f s measured", stepSeconds().getAsDouble()));
    PlanPrediction prediction = job.getPlan().getPrediction();
    double predicted = Texts.seconds(prediction.getStep());
    if (predicted > 0) {
      text.append(
          String.format(
              Locale.ROOT,
              ", %.3f s predicted, of which %.3f s wait for bytes",
              predicted,
              Texts.seconds(prediction.getExposedExchange())));
    }
    text.append(String.format("%n"));
  }

  private void appendRanks(StringBuilder text) {
    int width =
        job.getRankTimesList().stream()
            .mapToInt(rank -> rank.getWorkerId().length())
            .max()
            .orElse(0);
    String label = "ranks";
    for (RankTime rank : job.getRankTimesList()) {
      text.append(
          String.format(
              Locale.ROOT,
              "%-6s %-"
                  + Math.max(1, width)
                  + "s  compute %.2f s, exchange %.2f s exposed + %.2f s hidden, idle %.2f s, sent"
                  + " %s%n",
              label,
              rank.getWorkerId(),
              Texts.seconds(rank.getCompute()),
              Texts.seconds(rank.getExchangeExposed()),
              Texts.seconds(rank.getExchangeHidden()),
              Texts.seconds(rank.getIdle()),
              Texts.bytes(rank.getSentBytes())));
      label = "";
    }
  }

  private static String row(String label, String name, int width, double seconds) {
    return String.format(
        Locale.ROOT, "%-6s %-" + Math.max(5, width) + "s %7.2f s%n", label, name, seconds);
  }

  /** For scripts; one JSON object that ends with a line break. Names are those of the proto. */
  public String json() {
    return GenerationJson.of(this);
  }
}
