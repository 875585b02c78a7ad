package dev.longtake.coordinator.planner;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.partition.Grain;
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
    return memory(workload, plan.mode(), plan.shares()).bytes(plan, plan.place(rank), Grain.WHOLE);
  }

  /** 3 frames of 2 x 2 patches, C = 8, one pair of blocks, 20 text tokens of 4096 columns. */
  private static Workload small() {
    return Models.workload(Models.stdit3(8, 4, 1), Models.clip(3, 4, 4));
  }

  /** A tile of one strand, where everything runs in pieces. */
  private static final long SCRATCH = 4 * 256 * 40;

  private static final long BLOCK = 16 * 64 + 19 * 8;
  private static final long EDGES = 17 * 8 + 35 * 8 + 10 * 64;

  /** Bytes of so many floats and what is reserved on top. */
  private static long held(long floats) {
    return 4 * floats + 4 * floats / 50;
  }

  @Test
  void shouldCountEveryBufferWhenAlone() {
    long tokens = 2 * 12;
    // The residual stream, patches and a mask on their way in, and the prediction.
    long columns = 8 + 20 + 32;
    // One branch, all patches or all frames of it, and those are copied.
    long pieces = 12 * (40 + 8 + 32);
    long text = 2 * 20 * (4096 + 8 + 2 * 2 * 8);
    long latents = 6 * 4 * 3 * 16;

    assertThat(bytes(small(), ExecutionPlan.solo(2), 0))
        .isEqualTo(
            held(2 * BLOCK + EDGES) + SCRATCH + 4 * (tokens * columns + pieces + text + latents));
  }

  @Test
  void shouldHoldTheStagesWeightsOnlyWhenThereAreStages() {
    Workload workload = small();
    Memory memory = memory(workload, SequenceMode.GATHER, List.of(1));

    assertThat(memory.weights(new Range(0, 1))).isEqualTo(held(BLOCK + 17 * 8 + 10 * 64));
    assertThat(memory.weights(new Range(1, 2))).isEqualTo(held(BLOCK + 35 * 8 + 10 * 64));
    Workload bf16 =
        new Workload(
            workload.profile(), workload.clip(), 1, 2, 20, Precision.PRECISION_BF16, false);
    assertThat(memory(bf16, SequenceMode.GATHER, List.of(1)).weights(new Range(1, 2)))
        .isEqualTo(held(16 * 64 / 2 + 19 * 8 + 35 * 8 + 10 * 64));
  }

  @Test
  void shouldCountSparesAndStagingWhenSwitching() {
    ExecutionPlan plan = ExecutionPlan.sequence(2, 2, SequenceMode.SWITCH);
    // 2 of 3 frames are 8 tokens, 2 of 4 patches 6.
    long tokens = 2 * 8;
    long columns = 2 * 8 + 20 + 2 * 32;
    long pieces = 8 * (40 + 8 + 32);
    long staging = 2 * tokens * 32;
    long text = 2 * 20 * (4096 + 8 + 2 * 2 * 8);
    long latents = 6 * 4 * 2 * 16;

    assertThat(bytes(small(), plan, 0))
        .isEqualTo(
            held(2 * BLOCK + EDGES)
                + SCRATCH
                + 4 * (tokens * columns + pieces + staging + text + latents));
  }

  @Test
  void shouldCountAllKeysWhenGatheringAndItsHeadsWhenExchanging() {
    long tokens = 2 * 8;
    long joint = 2 * 12;
    // Attention across frames takes what it reads, queries, keys and values of all tokens at once;
    // what else there is, runs in pieces of frames.
    long base =
        bytes(small(), ExecutionPlan.solo(2), 0)
            + 4 * (tokens * 4 * 8 - (joint - tokens) * (8 + 20 + 32) - 6 * 4 * 16)
            + 4 * (8 * 40 - 12 * (40 + 8 + 32));

    assertThat(bytes(small(), ExecutionPlan.sequence(2, 2, SequenceMode.GATHER), 0))
        .isEqualTo(base + 4 * (joint * 16 + joint * 16));
    assertThat(bytes(small(), ExecutionPlan.sequence(2, 2, SequenceMode.HEADS), 0))
        .isEqualTo(base + 4 * (joint * 4 * 4 + 3 * 8 * tokens + 3 * 4 * joint));
  }

  @Test
  void shouldCountPiecesOfEveryThreadWhereAWorkerHasSeveral() {
    // 40 frames of 4 x 4 patches, C = 8: pieces of 16 tokens at least, four for each thread.
    Workload workload = Models.workload(Models.stdit3(8, 4, 1), Models.clip(40, 8, 8));
    Memory memory = memory(workload, SequenceMode.GATHER, List.of(1));
    ExecutionPlan solo = ExecutionPlan.solo(2);

    long whole = memory.bytes(solo, solo.place(0), Grain.WHOLE);
    long two = memory.bytes(solo, solo.place(0), new Grain(2, 100));

    // All of a branch, against two of 96 (6 frames) or of 80 (2 patches).
    assertThat(whole - two).isEqualTo(4 * (640 - 2 * 96) * (40 + 8 + 32) - SCRATCH);
  }

  @Test
  void shouldTakeAllTokensOfWhatAStepCacheKeepsWhenCountingWhatIsBetween() {
    Workload exact = Models.workload(Models.stdit3(8, 4, 1), Models.clip(40, 8, 8));
    ExecutionPlan solo = ExecutionPlan.solo(2);
    Grain grain = new Grain(1, 16);
    long tokens = 2 * 640;

    for (Reusable kind : List.of(Reusable.SPATIAL, Reusable.TEMPORAL, Reusable.CROSS)) {
      Workload cached = exact.withStepCache(new StepCacheMode.Broadcast(Map.of(kind, 2), 0, 1000));
      long kept = kind == Reusable.CROSS ? 2 * 8 : 8;
      long between = kind == Reusable.CROSS ? 2 * 8 : 4 * 8;
      assertThat(bytes(cached, solo, grain) - bytes(exact, solo, grain))
          .as(kind.name())
          .isEqualTo(4 * tokens * (kept + between));
    }
  }

  private static long bytes(Workload workload, ExecutionPlan plan, Grain grain) {
    return memory(workload, plan.mode(), plan.shares()).bytes(plan, plan.place(0), grain);
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
                      + memory.besideBlocks(lanes, rank, new Memory.Ends(false, true), Grain.WHOLE))
              .isGreaterThanOrEqualTo(memory.bytes(plan, plan.place(place), Grain.WHOLE));
        }
      }
    }
  }

  private static long sum(Workload workload, ExecutionPlan plan) {
    Memory memory = memory(workload, plan.mode(), plan.shares());
    long sum = 0;
    for (int rank = 0; rank < plan.workers(); rank++) {
      sum += memory.bytes(plan, plan.place(rank), Grain.WHOLE);
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

    // Temporal attention takes what it reads, queries, keys and values of all tokens at once, by
    // patch
    // 3 of 4 patches and by frame 1 of 3 frames at most.
    long between = 4 * (2 * 9) * 4 * 8;
    long fewer = 4 * (2 * 4) * 4 * 8;

    assertThat(kept(broadcast, two))
        .containsExactly(
            4 * many * 8 + between,
            4 * few * 8 + fewer,
            8 * many * 8 + between,
            8 * few * 8 + fewer);
    assertThat(kept(firstBlock, two))
        .containsExactly(
            12 * many * 8 + between,
            12 * few * 8 + fewer,
            4 * many * 8 + between,
            4 * few * 8 + fewer);
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
