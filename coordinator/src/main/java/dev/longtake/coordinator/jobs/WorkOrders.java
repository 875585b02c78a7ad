package dev.longtake.coordinator.jobs;

import com.google.protobuf.util.Durations;
import dev.longtake.coordinator.fleet.Member;
import dev.longtake.coordinator.planner.Clips;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.GivenFrames;
import dev.longtake.v1.Guidance;
import dev.longtake.v1.Job;
import dev.longtake.v1.RowCondition;
import dev.longtake.v1.SamplingTask;
import dev.longtake.v1.StoredPrompt;
import dev.longtake.v1.StoredText;
import dev.longtake.v1.WorkOrder;
import java.util.List;

/** What each rank of a job is told, for one segment. */
final class WorkOrders {
  /** Name of the tensor that ranks send after the last step: their frames of the latents. */
  static final String FINAL_LATENTS = "final";

  private WorkOrders() {}

  /**
   * @param entry started, with its plan
   * @param start what the attempt begins with
   * @param gang in order of the ranks
   */
  static WorkOrder order(
      JobEntry entry, AttemptStart start, List<Member> gang, int rank, RunSettings settings) {
    Job job = entry.snapshot();
    GenerationRequest request = job.getRequest();
    Segments segments = entry.segments();
    StoredPrompt prompt = start.prompt();
    int promptIndex = segments.prompt(start.segment());
    SamplingTask.Builder task =
        Schedules.schedule(entry.card(), request.getSteps())
            .setGeometry(Clips.geometry(entry.card(), request))
            .addPrompts(
                row(promptIndex < 0 ? prompt.getPrompt() : prompt.getSegmentPrompts(promptIndex)))
            .setGuidance(
                Guidance.newBuilder()
                    .setStrength(request.getGuidance())
                    .setGuidedChannels(entry.card().getGuidedChannels()))
            .setSeed(segments.seed(start.segment()))
            .setCheckpointEvery(settings.checkpointEvery())
            .setDecode(true)
            .setPreviewEvery(request.getPreviewEvery())
            .setDecodeFrom(segments.firstShown(start.segment()))
            .addCapture(FINAL_LATENTS);
    if (prompt.hasNullText()) {
      task.addNullConditions(row(prompt.getNullText()));
    }
    start
        .given()
        .ifPresent(latents ->
            task.setGivenFrames(
                GivenFrames.newBuilder()
                    .setLatents(latents)
                    .setEditRatio(request.getLongVideo().getEditRatio())));
    start.state().ifPresent(task::setResume);
    if (request.hasStepCache()) {
      task.setStepCache(request.getStepCache());
    }
    return WorkOrder.newBuilder()
        .setJobId(job.getId())
        .setAttempt(start.attempt())
        .setRank(rank)
        .addAllGang(gang.stream().map(Member::address).toList())
        .addAllGangTokens(gang.stream().map(Member::callToken).toList())
        .addAllGangIds(gang.stream().map(Member::id).toList())
        .setPlan(job.getPlan())
        .setModelFingerprint(entry.card().getFingerprint())
        .setPrecision(request.getPrecision())
        .setExchangeTimeout(Durations.fromNanos(settings.exchangeTimeout().toNanos()))
        .setSampling(task)
        .build();
  }

  private static RowCondition row(StoredText text) {
    return RowCondition.newBuilder()
        .setEmbedding(text.getEmbedding())
        .addAllTokenIds(text.getTokenIdsList())
        .build();
  }
}
