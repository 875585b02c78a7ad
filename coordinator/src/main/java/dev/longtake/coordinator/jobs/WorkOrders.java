package dev.longtake.coordinator.jobs;

import com.google.protobuf.util.Durations;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.coordinator.fleet.Member;
import dev.longtake.coordinator.planner.Clips;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.Job;
import dev.longtake.v1.RectifiedFlow;
import dev.longtake.v1.RowCondition;
import dev.longtake.v1.SamplingTask;
import dev.longtake.v1.Tensor;
import dev.longtake.v1.WorkOrder;
import java.time.Duration;
import java.util.List;

/** What each rank of a job is told. */
final class WorkOrders {
  /** Jobs have one attempt: a failed one is reported, and submitted again by the user. */
  private static final long ATTEMPT = 1;

  /** The t of pure noise in Open-Sora's schedule. */
  private static final int TIMESTEPS = 1000;

  private WorkOrders() {}

  /**
   * @param entry started, with its plan
   * @param gang in order of the ranks
   * @throws LongtakeException CANCELED when the job has ended and its embedding is gone
   */
  static WorkOrder order(JobEntry entry, List<Member> gang, int rank, Duration exchangeTimeout) {
    Job job = entry.snapshot();
    GenerationRequest request = job.getRequest();
    Tensor embedding =
        entry
            .embedding()
            .orElseThrow(() ->
                new LongtakeException(ErrorCode.CANCELED, "The job ended before it was ordered"));
    SamplingTask task =
        SamplingTask.newBuilder()
            .setGeometry(Clips.geometry(entry.card(), request))
            .addPrompts(RowCondition.newBuilder().setEmbedding(embedding))
            .setSchedule(
                RectifiedFlow.newBuilder()
                    .setSteps(request.getSteps())
                    .setTimesteps(TIMESTEPS)
                    .setDiscrete(false)
                    .setTransform(entry.card().getTimestepTransform()))
            .setGuidance(request.getGuidance())
            .setSeed(request.getSeed())
            .setDecode(true)
            .build();
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
}
