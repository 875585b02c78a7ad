package dev.longtake.coordinator.jobs;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.coordinator.fleet.LinkTable;
import dev.longtake.coordinator.fleet.Member;
import dev.longtake.coordinator.fleet.TestMembers;
import dev.longtake.v1.BlockProfile;
import dev.longtake.v1.BlockRange;
import dev.longtake.v1.BlockTimes;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.LinkTimes;
import dev.longtake.v1.ModelCard;
import dev.longtake.v1.ModelProfile;
import dev.longtake.v1.Plan;
import dev.longtake.v1.PlanPrediction;
import dev.longtake.v1.Precision;
import dev.longtake.v1.Sampler;
import dev.longtake.v1.SequenceMode;
import dev.longtake.v1.Tensor;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

final class PlanningInputsTest {
  private static boolean learnsVariance(Sampler sampler, int outputChannels) {
    ModelCard card =
        ModelCard.newBuilder()
            .setSpatialCompression(8)
            .setTemporalCompression(1)
            .setSampler(sampler)
            .setProfile(
                ModelProfile.newBuilder()
                    .setChannels(8)
                    .setHeads(2)
                    .addBlocks(BlockProfile.getDefaultInstance())
                    .setLatentChannels(4)
                    .setOutputChannels(outputChannels))
            .build();
    return PlanningInputs.workload(
            GenerationRequest.newBuilder().setWidth(64).setHeight(64).setFrames(1).build(), card, 3)
        .learnedVariance();
  }

  private static EncodedPrompt.Text text(long count) {
    return new EncodedPrompt.Text(
        List.of(), Tensor.newBuilder().addShape(count).addShape(2).build());
  }

  @Test
  void shouldLearnTheVarianceWhenAnAncestralSamplerHasChannelsForIt() {
    assertThat(learnsVariance(Sampler.SAMPLER_ANCESTRAL, 8)).isTrue();
    assertThat(learnsVariance(Sampler.SAMPLER_ANCESTRAL_FLOAT32, 8)).isTrue();
    assertThat(learnsVariance(Sampler.SAMPLER_ANCESTRAL, 4)).isFalse();
    assertThat(learnsVariance(Sampler.SAMPLER_RECTIFIED_FLOW, 8)).isFalse();
    assertThat(learnsVariance(Sampler.SAMPLER_DDIM, 8)).isFalse();
  }

  @Test
  void shouldCountTheTokensOfTheLongestRow() {
    assertThat(
            PlanningInputs.textTokens(new EncodedPrompt(text(5), Optional.empty(), List.of(), 1)))
        .isEqualTo(5);
    assertThat(
            PlanningInputs.textTokens(
                new EncodedPrompt(text(5), Optional.of(text(9)), List.of(), 2)))
        .isEqualTo(9);
    assertThat(
            PlanningInputs.textTokens(
                new EncodedPrompt(text(5), Optional.empty(), List.of(text(3), text(7)), 3)))
        .isEqualTo(7);
  }

  @Test
  void shouldTakeTheTimesOfTheOtherPrecisionWhenItsOwnWereNotMeasured() {
    Member member = TestMembers.of("w0", "a");
    BlockTimes single = BlockTimes.newBuilder().setEdgeOverheadSeconds(1).build();
    BlockTimes half = BlockTimes.newBuilder().setEdgeOverheadSeconds(2).build();
    LinkTable links = new LinkTable();
    try {
      member.measured(Precision.PRECISION_F32, single);
      assertThat(times(member, links, Precision.PRECISION_BF16)).hasValue(single);
      member.measured(Precision.PRECISION_BF16, half);
      assertThat(times(member, links, Precision.PRECISION_BF16)).hasValue(half);
      assertThat(times(member, links, Precision.PRECISION_F32)).hasValue(single);
    } finally {
      TestMembers.close(member);
    }
  }

  private static Optional<BlockTimes> times(Member member, LinkTable links, Precision precision) {
    return PlanningInputs.cluster(List.of(member), links, precision).workers().getFirst().times();
  }

  @Test
  void shouldTellThePlannerOfLinksThatWereMeasured() {
    Member w0 = TestMembers.of("w0", "a");
    Member w1 = TestMembers.of("w1", "b");
    LinkTable links = new LinkTable();
    links.put(
        LinkTimes.newBuilder()
            .setFromWorker("w1")
            .setToWorker("w0")
            .setBytesPerSecond(3e8)
            .setLatencySeconds(2e-4)
            .build());
    try {
      var view = PlanningInputs.cluster(List.of(w0, w1), links, Precision.PRECISION_F32).links();

      assertThat(view.bytesPerSecond(1, 0)).isEqualTo(3e8);
      assertThat(view.latencySeconds(1, 0)).isEqualTo(2e-4);
      assertThat(view.bytesPerSecond(0, 1)).as("unknown, but something").isPositive();
    } finally {
      TestMembers.close(w0);
      TestMembers.close(w1);
    }
  }

  @Test
  void shouldSeeTheSamePlanWhenOnlyDefaultsAndWordsDiffer() {
    Plan plain = Plan.newBuilder().setSequenceRanks(2).build();
    Plan wordy =
        Plan.newBuilder()
            .setSequenceRanks(2)
            .setBranchGroups(1)
            .setMicroBatches(1)
            .addStages(BlockRange.newBuilder().setEnd(4))
            .addSequenceShares(3)
            .addSequenceShares(3)
            .setReason("fast")
            .setPrediction(PlanPrediction.newBuilder().setJobsInFlight(3))
            .build();

    assertThat(Placement.divideAlike(plain, wordy)).isTrue();
    for (Plan other :
        List.of(
            plain.toBuilder().setSequenceRanks(3).build(),
            plain.toBuilder().setBranchGroups(2).build(),
            plain.toBuilder().setMicroBatches(2).build(),
            plain.toBuilder().addSequenceShares(1).addSequenceShares(2).build(),
            plain.toBuilder().setSequenceMode(SequenceMode.SEQUENCE_MODE_GATHER).build())) {
      assertThat(Placement.divideAlike(plain, other)).as(other.toString()).isFalse();
    }
  }
}
