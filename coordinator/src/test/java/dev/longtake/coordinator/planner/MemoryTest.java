package dev.longtake.coordinator.planner;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.partition.Range;
import dev.longtake.common.plan.ExecutionPlan;
import dev.longtake.common.plan.SequenceMode;
import dev.longtake.common.stepcache.Reusable;
import dev.longtake.common.stepcache.StepCacheMode;
import dev.longtake.common.stepcache.StepCaches;
import dev.longtake.v1.Precision;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class MemoryTest {
  private static Memory memory(Workload workload, SequenceMode mode, List<Integer> shares) {
    var profile = workload.profile();
    return new Memory(
        workload,
        new SplitWalk(profile, mode, shares.size()),
        new RankShares(TokenGrid.of(workload), profile.getHeads(), profile.getChannels(), shares));
  }

  private static long bytes(Workload workload, ExecutionPlan plan, int rank) {
    return memory(workload, plan.mode(), plan.shares()).bytes(plan, plan.place(rank));
  }

  /** 3 frames of 2 x 2 patches, C = 8, one pair of blocks, 20 text tokens of 4096 columns. */
  private static Workload small() {
    return Models.workload(Models.stdit3(8, 4, 1), Models.clip(3, 4, 4));
  }

  private static final long BLOCK = 16 * 64 + 19 * 8;
  private static final long EDGES = 17 * 8 + 35 * 8 + 10 * 64;

  @Test
  void shouldCountEveryBufferWhenAlone() {
    long tokens = 2 * 12;
    long columns = 2 * 8 + 32 + 32;
    long text = 2 * 20 * (4096 + 8 + 2 * 2 * 8);
    long latents = 6 * 4 * 3 * 16;

    assertThat(bytes(small(), ExecutionPlan.solo(2), 0))
        .isEqualTo(4 * (2 * BLOCK + EDGES + tokens * columns + text + latents));
  }

  @Test
  void shouldHoldTheStagesWeightsOnlyWhenThereAreStages() {
    Workload workload = small();
    Memory memory = memory(workload, SequenceMode.GATHER, List.of(1));

    assertThat(memory.weights(new Range(0, 1))).isEqualTo(4 * (BLOCK + 17 * 8 + 10 * 64));
    assertThat(memory.weights(new Range(1, 2))).isEqualTo(4 * (BLOCK + 35 * 8 + 10 * 64));
    Workload bf16 =
        new Workload(
            workload.profile(), workload.clip(), 1, 2, 20, Precision.PRECISION_BF16, false);
    assertThat(memory(bf16, SequenceMode.GATHER, List.of(1)).weights(new Range(1, 2)))
        .isEqualTo(2 * 16 * 64 + 4 * (19 * 8 + 35 * 8 + 10 * 64));
  }

  @Test
  void shouldCountSparesAndStagingWhenSwitching() {
    ExecutionPlan plan = ExecutionPlan.sequence(2, 2, SequenceMode.SWITCH);
    // 2 of 3 frames are 8 tokens, 2 of 4 patches 6.
    long tokens = 2 * 8;
    long columns = 3 * 8 + 32 + 2 * 32;
    long staging = 2 * tokens * 32;
    long text = 2 * 20 * (4096 + 8 + 2 * 2 * 8);
    long latents = 6 * 4 * 2 * 16;

    assertThat(bytes(small(), plan, 0))
        .isEqualTo(4 * (2 * BLOCK + EDGES + tokens * columns + staging + text + latents));
  }

  @Test
  void shouldCountAllKeysWhenGatheringAndItsHeadsWhenExchanging() {
    long tokens = 2 * 8;
    long joint = 2 * 12;
    long base =
        bytes(small(), ExecutionPlan.solo(2), 0)
            - 4 * ((joint - tokens) * (2 * 8 + 32 + 32) + 6 * 4 * 16);

    assertThat(bytes(small(), ExecutionPlan.sequence(2, 2, SequenceMode.GATHER), 0))
        .isEqualTo(base + 4 * (joint * 16 + joint * 16));
    assertThat(bytes(small(), ExecutionPlan.sequence(2, 2, SequenceMode.HEADS), 0))
        .isEqualTo(base + 4 * (joint * 4 * 4 + 3 * 8 * tokens + 3 * 4 * joint));
  }

  @ParameterizedTest
  @EnumSource(SequenceMode.class)
  void shouldNeedNoLessWhenAnythingGrows(SequenceMode mode) {
    SplittableRandom random = new SplittableRandom(mode.name().hashCode());
    for (int i = 0; i < 200; i++) {
      Workload workload =
          RandomPlans.workload(random, mode)
              .withStepCache(
                  i % 2 == 0
                      ? StepCaches.EXACT
                      : new StepCacheMode.Broadcast(
                          Map.of(Reusable.SPATIAL, 2, Reusable.CROSS, 2), 0, 1000));
      ExecutionPlan plan = RandomPlans.plan(random, workload, mode);
      Workload longer =
          workload.withClip(
              workload.clip().toBuilder()
                  .setLatentFrames(workload.clip().getLatentFrames() + 1 + random.nextInt(4))
                  .build());
      Workload larger =
          workload.withClip(
              workload.clip().toBuilder()
                  .setLatentHeight(workload.clip().getLatentHeight() * 2)
                  .build());
      // A single share may shrink by rounding, the sum of all never.
      assertThat(sum(longer, plan))
          .as("case %d, %s", i, plan)
          .isGreaterThanOrEqualTo(sum(workload, plan));
      assertThat(sum(larger, plan))
          .as("case %d, %s", i, plan)
          .isGreaterThanOrEqualTo(sum(workload, plan));
      int blocks = workload.profile().getBlocksCount();
      Memory memory = memory(workload, mode, plan.shares());
      for (int end = 1; end < blocks; end++) {
        assertThat(memory.weights(new Range(0, end)))
            .isLessThanOrEqualTo(memory.weights(new Range(0, end + 1)));
      }
      if (plan.stages().size() > 1) {
        // What the search for ranges assumes is never less than what is needed.
        int[] lanes = plan.lanes(workload.rows(), 0).stream().mapToInt(Range::size).toArray();
        int rows = plan.rowsOf(workload.rows(), 0).size();
        for (int rank = 0; rank < plan.sequenceRanks(); rank++) {
          int place = plan.rank(0, plan.stages().size() - 1, rank);
          assertThat(
                  memory.ofBlocks(plan.stages().getLast(), rows)
                      + memory.besideBlocks(lanes, rank, /* last= */ true))
              .isGreaterThanOrEqualTo(memory.bytes(plan, plan.place(place)));
        }
      }
    }
  }

  private static long sum(Workload workload, ExecutionPlan plan) {
    Memory memory = memory(workload, plan.mode(), plan.shares());
    long sum = 0;
    for (int rank = 0; rank < plan.workers(); rank++) {
      sum += memory.bytes(plan, plan.place(rank));
    }
    return sum;
  }

  @Test
  void shouldCountWhatAStepCacheKeepsOfEachToken() {
    ExecutionPlan two =
        new ExecutionPlan(
            1, List.of(new Range(0, 1), new Range(1, 2)), 2, SequenceMode.SWITCH, List.of(2, 1), 1);
    Workload broadcast =
        small()
            .withStepCache(
                new StepCacheMode.Broadcast(
                    Map.of(Reusable.TEMPORAL, 4, Reusable.CROSS, 2, Reusable.SPATIAL, 1), 0, 1000));
    Workload firstBlock = small().withStepCache(new StepCacheMode.FirstBlock(0.1, 8));
    // By frame, 2 of 3 frames and 1 of 3.
    long many = 2 * 8;
    long few = 2 * 4;

    assertThat(kept(broadcast, two))
        .containsExactly(4 * many * 8, 4 * few * 8, 8 * many * 8, 8 * few * 8);
    assertThat(kept(firstBlock, two))
        .containsExactly(12 * many * 8, 12 * few * 8, 4 * many * 8, 4 * few * 8);
  }

  /** What each rank needs more than without a step cache. */
  private static List<Long> kept(Workload workload, ExecutionPlan plan) {
    return IntStream.range(0, plan.workers())
        .mapToObj(rank -> bytes(workload, plan, rank) - bytes(small(), plan, rank))
        .toList();
  }

  @Test
  void shouldReduceKeysWhenTheModelDoes() {
    var profile =
        Models.edges(8, 2)
            .addBlocks(
                Models.block("blocks", 8, 0, 2, dev.longtake.v1.AttentionProfile.Axis.AXIS_SPATIAL))
            .build();
    Workload workload = Models.workload(profile, Models.clip(1, 8, 8));
    Workload plain =
        Models.workload(
            profile.toBuilder()
                .setBlocks(
                    0,
                    Models.block(
                        "blocks", 8, 0, 1, dev.longtake.v1.AttentionProfile.Axis.AXIS_SPATIAL))
                .build(),
            workload.clip());
    ExecutionPlan plan =
        new ExecutionPlan(
            1, List.of(new Range(0, 1)), 1, SequenceMode.GATHER, Collections.nCopies(1, 1), 1);

    assertThat(bytes(workload, plan, 0) - bytes(plain, plan, 0)).isEqualTo(4 * (2 * 16 / 4) * 16);
  }
}
