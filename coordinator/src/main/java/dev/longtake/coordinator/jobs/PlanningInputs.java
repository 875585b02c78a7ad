package dev.longtake.coordinator.jobs;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.partition.Grain;
import dev.longtake.common.plan.Plans;
import dev.longtake.common.stepcache.StepCaches;
import dev.longtake.coordinator.fleet.LinkTable;
import dev.longtake.coordinator.fleet.Member;
import dev.longtake.coordinator.planner.Clips;
import dev.longtake.coordinator.planner.ClusterView;
import dev.longtake.coordinator.planner.MeasuredLinks;
import dev.longtake.coordinator.planner.WorkerView;
import dev.longtake.coordinator.planner.Workload;
import dev.longtake.v1.BlockTimes;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.ModelCard;
import dev.longtake.v1.Precision;
import dev.longtake.v1.WorkerDescription;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Stream;

/** What the planner is told of a request and of workers. */
public final class PlanningInputs {
  /** Clips of one job. */
  private static final int SAMPLES = 1;

  /** Rows of the batch: the prompt's and the null condition's of each clip. */
  public static final int ROWS = 2 * SAMPLES;

  private PlanningInputs() {}

  /**
   * The work of a request.
   *
   * @param request with every default filled in
   * @param textTokens of one row
   * @throws LongtakeException INVALID_MODEL when the model's latents can't be derived from a video's size
   */
  public static Workload workload(GenerationRequest request, ModelCard card, int textTokens) {
    return new Workload(
        card.getProfile(),
        Clips.geometry(card, request),
        SAMPLES,
        ROWS,
        textTokens,
        request.getPrecision(),
        learnsVariance(card),
        Plans.wireFormat("wire_format", request.getWireFormat()),
        StepCaches.of(request.getStepCache(), card.getProfile()));
  }

  /** Tokens of the longest row. */
  public static int textTokens(EncodedPrompt prompt) {
    return Stream.of(
            Stream.of(prompt.prompt()),
            prompt.nullText().stream(),
            prompt.segmentPrompts().stream())
        .flatMap(Function.identity())
        .mapToInt(EncodedPrompt.Text::tokens)
        .max()
        .orElseThrow();
  }

  private static boolean learnsVariance(ModelCard card) {
    int latents = card.getProfile().getLatentChannels();
    boolean hasChannels = latents > 0 && card.getProfile().getOutputChannels() == 2 * latents;
    return switch (card.getSampler()) {
      case SAMPLER_ANCESTRAL, SAMPLER_ANCESTRAL_FLOAT32 -> hasChannels;
      case SAMPLER_UNSPECIFIED,
          SAMPLER_RECTIFIED_FLOW,
          SAMPLER_GUIDED_FLOW,
          SAMPLER_DDIM,
          SAMPLER_DPM_SOLVER,
          UNRECOGNIZED ->
          false;
    };
  }

  /**
   * Workers and links as they are known now. Where a worker was not measured in the job's precision, the times of the other one
   * stand in: they say at least how workers compare. A worker that was not measured at all is taken to be like one of the same host
   * with the same device and as many threads.
   */
  public static ClusterView cluster(List<Member> members, LinkTable links, Precision precision) {
    return new ClusterView(
        members.stream().map(member -> worker(member, members, precision)).toList(),
        new MeasuredLinks(
            links.all(),
            members.stream().map(Member::id).toList(),
            members.stream().map(Member::host).toList()));
  }

  private static WorkerView worker(Member member, List<Member> all, Precision precision) {
    WorkerDescription says = member.description();
    return new WorkerView(
        member.id(),
        member.host(),
        says.getProcessors(),
        Math.max(1, says.getThreads()),
        says.hasPieces()
            ? new Grain(says.getPieces().getStrands(), says.getPieces().getRows())
            : Grain.WHOLE,
        says.getDevice(),
        says.getMemoryTotalBytes(),
        times(member, precision).or(() -> timesOfAlike(member, all, precision)));
  }

  private static Optional<BlockTimes> times(Member member, Precision precision) {
    Precision other =
        precision == Precision.PRECISION_BF16 ? Precision.PRECISION_F32 : Precision.PRECISION_BF16;
    return member.times(precision).or(() -> member.times(other));
  }

  private static Optional<BlockTimes> timesOfAlike(
      Member member, List<Member> all, Precision precision) {
    return all.stream()
        .filter(other -> areAlike(member, other))
        .flatMap(other -> times(other, precision).stream())
        .findFirst();
  }

  private static boolean areAlike(Member member, Member other) {
    WorkerDescription one = member.description();
    WorkerDescription two = other.description();
    return member.host().equals(other.host())
        && one.getDevice().equals(two.getDevice())
        && one.getDeviceDetail().equals(two.getDeviceDetail())
        && one.getThreads() == two.getThreads();
  }
}
