package dev.longtake.coordinator.jobs;

import com.google.protobuf.util.Durations;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.coordinator.fleet.Member;
import dev.longtake.coordinator.planner.Clips;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.Guidance;
import dev.longtake.v1.Job;
import dev.longtake.v1.RowCondition;
import dev.longtake.v1.SamplingTask;
import dev.longtake.v1.WorkOrder;
import java.time.Duration;
import java.util.List;

/** What each rank of a job is told. */
final class WorkOrders {
  /** Jobs have one attempt: a failed one is reported, and submitted again by the user. */
  private static final long ATTEMPT = 1;

  private WorkOrders() {}

  /**
   * @param entry started, with its plan
   * @param gang in order of the ranks
   * @throws LongtakeException CANCELED when the job has ended and its embedding is gone
   */
  static WorkOrder order(JobEntry entry, List<Member> gang, int rank, Duration exchangeTimeout) {
    Job job = entry.snapshot();
    GenerationRequest request = job.getRequest();
    EncodedPrompt prompt =
        entry
            .prompt()
            .orElseThrow(() ->
                new LongtakeException(ErrorCode.CANCELED, "The job ended before it was ordered"));
    SamplingTask.Builder task =
        Schedules.schedule(entry.card(), request.getSteps())
            .setGeometry(Clips.geometry(entry.card(), request))
            .addPrompts(row(prompt.prompt()))
            .setGuidance(
                Guidance.newBuilder()
                    .setStrength(request.getGuidance())
                    .setGuidedChannels(entry.card().getGuidedChannels()))
            .setSeed(request.getSeed())
            .setDecode(true);
    prompt.nullText().ifPresent(nullText -> task.addNullConditions(row(nullText)));
    return WorkOrder.newBuilder()
        .setJobId(job.getId())
        .setAttempt(ATTEMPT)
        .setRank(rank)
        .addAllGang(gang.stream().map(Member::address).toList())
        .setPlan(job.getPlan())
        .setModelFingerprint(entry.card().getFingerprint())
        .setPrecision(request.getPrecision())
        .setExchangeTimeout(Durations.fromNanos(exchangeTimeout.toNanos()))
        .setSampling(task)
        .build();
  }

  private static RowCondition row(EncodedPrompt.Text text) {
    return RowCondition.newBuilder()
        .setEmbedding(text.embedding())
        .addAllTokenIds(text.tokenIds())
        .build();
  }
}
