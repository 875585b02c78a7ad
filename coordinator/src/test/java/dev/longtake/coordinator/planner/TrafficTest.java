package dev.longtake.coordinator.planner;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.partition.Partition;
import dev.longtake.common.partition.Range;
import dev.longtake.common.plan.ExecutionPlan;
import dev.longtake.common.plan.ExecutionPlan.Place;
import dev.longtake.common.plan.SequenceMode;
import dev.longtake.v1.AttentionProfile;
import dev.longtake.v1.AttentionProfile.Axis;
import dev.longtake.v1.ModelProfile;
import dev.longtake.v1.Precision;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class TrafficTest {
  private static Traffic traffic(Workload workload, ExecutionPlan plan) {
    TokenGrid grid = TokenGrid.of(workload);
    var profile = workload.profile();
    return new Traffic(
        workload,
        plan,
        new SplitWalk(profile, plan.mode(), plan.sequenceRanks()),
        new RankShares(grid, profile.getHeads(), profile.getChannels(), plan.shares()));
  }

  private static ExecutionPlan plan(int groups, List<Range> stages, int ranks, SequenceMode mode) {
    return new ExecutionPlan(groups, stages, ranks, mode, Collections.nCopies(ranks, 1), 1);
  }

  /** 3 frames of 2 x 2 patches, C = 8 with 4 heads, one pair of blocks. */
  private static Workload small() {
    return Models.workload(Models.stdit3(8, 4, 1), Models.clip(3, 4, 4));
  }

  @Test
  void shouldSendWhatChangesItsSplitWhenSwitching() {
    Traffic traffic = traffic(small(), plan(1, List.of(new Range(0, 2)), 2, SequenceMode.SWITCH));

    // Rank 0 has 2 of 3 frames and 2 of 4 patches. To patches: 2 rows * 2 frames * 2 patches of the
    // peer * 8 * 4 bytes. The prediction back: 2 rows * 2 patches * 1 frame of the peer * 32 * 4.
    assertThat(traffic.sent(0)).isEqualTo(2 * 2 * 2 * 8 * 4 + 2 * 2 * 1 * 32 * 4);
    assertThat(traffic.sent(1)).isEqualTo(2 * 1 * 2 * 8 * 4 + 2 * 2 * 2 * 32 * 4);
    assertThat(traffic.between(0, 1)).isEqualTo(traffic.sent(0));
    assertThat(traffic.between(0, 0)).isZero();
  }

  @Test
  void shouldSendHeadsAndResultsWhenExchangingHeads() {
    Traffic traffic = traffic(small(), plan(1, List.of(new Range(0, 2)), 2, SequenceMode.HEADS));

    // Rank 0 has 2 rows * 8 tokens, the peer 2 * 4; both have 4 of 8 columns. One temporal block.
    assertThat(traffic.sent(0)).isEqualTo(16 * 3 * 4 * 4 + 8 * 4 * 4);
    assertThat(traffic.sent(1)).isEqualTo(8 * 3 * 4 * 4 + 16 * 4 * 4);
  }

  @Test
  void shouldSendSmallerResultsWhenInBfloat16() {
    Workload f32 = small();
    Workload bf16 =
        new Workload(f32.profile(), f32.clip(), 1, 2, 20, Precision.PRECISION_BF16, false);
    ExecutionPlan plan = plan(1, List.of(new Range(0, 2)), 2, SequenceMode.HEADS);

    assertThat(traffic(bf16, plan).sent(0)).isEqualTo(16 * 3 * 4 * 4 + 8 * 4 * 2);
  }

  @Test
  void shouldSendKeysAndValuesToEveryPeerWhenGathering() {
    Traffic traffic = traffic(small(), plan(1, List.of(new Range(0, 2)), 3, SequenceMode.GATHER));

    // One frame each: 2 rows * 4 tokens * 2 * 8 columns * 4 bytes to each of 2 peers.
    assertThat(traffic.sent(1)).isEqualTo(2 * 8 * 2 * 8 * 4);
  }

  @Test
  void shouldSendActivationsOnAndLatentsBackWhenInStages() {
    List<Range> stages = List.of(new Range(0, 1), new Range(1, 2));
    Traffic traffic = traffic(small(), plan(1, stages, 1, SequenceMode.GATHER));

    assertThat(traffic.sent(0)).isEqualTo(2 * 12 * 8 * 4);
    // 4 channels of 3 x 4 x 4 latents.
    assertThat(traffic.sent(1)).isEqualTo(4 * 48 * 4);
  }

  @Test
  void shouldSendPredictionsOnlyWhenBranchesAreSplit() {
    Workload plain = small();
    Workload learned =
        new Workload(plain.profile(), plain.clip(), 1, 2, 20, Precision.PRECISION_F32, true);
    ExecutionPlan plan = plan(2, List.of(new Range(0, 2)), 1, SequenceMode.GATHER);

    assertThat(traffic(plain, plan).sent(0)).isEqualTo(4 * 48 * 4);
    // The prompt's row also has its variance.
    assertThat(traffic(learned, plan).sent(0)).isEqualTo(8 * 48 * 4);
    assertThat(traffic(learned, plan).sent(1)).isEqualTo(4 * 48 * 4);
  }

  /**
   * Published for Open-Sora 1.2, 480p, 2 s, 30 steps, guidance, 8 ranks (arXiv 2408.12588): 23.08 GB with the dynamic switch and 46.16 GB
   * with an exchange of heads, per rank, with 2 bytes per value and the share that a rank keeps counted in. The volumes of the papers
   * are 2 M / N and 4 M / N per pair of blocks, M being the whole hidden state.
   */
  @Test
  void shouldGiveThePublishedVolumesWhenCountedAsPublished() {
    double hidden = 2.0 * 15 * 1590 * 1152 * 2;
    double runs = 28 * 30 / 8.0;

    assertThat(2 * hidden * runs / 1e9).isBetween(23.075, 23.085);
    assertThat(4 * hidden * runs / 1e9).isBetween(46.155, 46.165);
  }

  /** What of that crosses the wire here: float32, without the own share, with frames, patches and heads as they really divide. */
  @Test
  void shouldSendLessThanTwiceThePublishedVolumesWhenOnTheWire() {
    Workload workload =
        new Workload(
            Models.openSora12(),
            Models.clip(15, 60, 106),
            1,
            2,
            300,
            Precision.PRECISION_F32,
            false);
    List<Range> all = List.of(new Range(0, 56));
    Traffic switched = traffic(workload, plan(1, all, 8, SequenceMode.SWITCH));
    Traffic heads = traffic(workload, plan(1, all, 8, SequenceMode.HEADS));

    // 15 frames among 8: rank 0 has 2 frames, 199 of 1590 patches and 2 of 16 heads; the last rank
    // has 1 frame and 198 patches. 28 switches to patches, 27 back and one of the prediction.
    long toPatch = 2L * 2 * (1590 - 199) * 1152 * 4;
    long toFrame = 2L * 199 * (15 - 2) * 1152 * 4;
    long prediction = 2L * 199 * (15 - 2) * 32 * 4;
    assertThat(switched.sent(0)).isEqualTo(28 * toPatch + 27 * toFrame + prediction);
    long tokens = 2L * 2 * 1590;
    long others = 2L * 15 * 1590 - tokens;
    assertThat(heads.sent(0)).isEqualTo(28 * (tokens * 3 * (1152 - 144) * 4 + others * 144 * 4));

    // Means of all ranks, 30 steps: the published ones, twice for float32, 7 / 8 for the own share,
    // and for heads only 28 of 56 attentions, as spatial ones need no other frames.
    assertThat(mean(switched) * 30 / 1e9).isBetween(39.5, 40.1);
    assertThat(mean(switched) * 30 / 1e9 / (2 * 23.08 * 7 / 8)).isBetween(0.98, 1.0);
    assertThat(mean(heads) * 30 / 1e9 / (2 * 46.16 * 7 / 8)).isBetween(0.98, 1.02);
  }

  private static double mean(Traffic traffic) {
    double sum = 0;
    for (int rank = 0; rank < 8; rank++) {
      sum += traffic.sent(rank);
    }
    return sum / 8;
  }

  /** Everything again, token by token of sizes and pair by pair, by the contract's words. */
  private static long bruteForce(Workload workload, ExecutionPlan plan, int from, int to) {
    ModelProfile profile = workload.profile();
    TokenGrid grid = TokenGrid.of(workload);
    Place a = plan.place(from);
    Place b = plan.place(to);
    int last = plan.stages().size() - 1;
    Range rows = plan.rowsOf(workload.rows(), a.branchGroup());
    Range frames = new Partition(grid.frames(), plan.shares()).of(a.sequenceRank());
    int latentFrames = 0;
    for (int frame = 0; frame < workload.clip().getLatentFrames(); frame++) {
      int token = frame / profile.getPatchFrames();
      latentFrames += token >= frames.start() && token < frames.end() ? 1 : 0;
    }
    long plane =
        (long) workload.clip().getLatentHeight() * workload.clip().getLatentWidth() * latentFrames;
    long bytes = 0;
    boolean sameSequence = a.sequenceRank() == b.sequenceRank();
    if (a.branchGroup() != b.branchGroup()) {
      if (a.stage() == last && b.stage() == last && sameSequence) {
        for (int row = rows.start(); row < rows.end(); row++) {
          boolean variance = workload.learnedVariance() && row < workload.samples();
          bytes +=
              4 * plane * (variance ? profile.getOutputChannels() : profile.getLatentChannels());
        }
      }
      return bytes;
    }
    boolean patch = plan.sequenceRanks() > 1 && plan.mode().splitsByPatch();
    boolean isHere = a.stage() == b.stage() && from != to;
    if (isHere && patch && a.stage() == 0) {
      bytes += rows.size() * 4L * common(grid, plan, a, b, true) * profile.getChannels();
    }
    for (int block = 0; block < profile.getBlocksCount(); block++) {
      boolean mine =
          plan.stages().get(a.stage()).start() <= block
              && block < plan.stages().get(a.stage()).end();
      for (AttentionProfile attention : profile.getBlocks(block).getAttentionsList()) {
        boolean temporal = attention.getAxis() == Axis.AXIS_TEMPORAL;
        boolean full = attention.getAxis() == Axis.AXIS_FULL;
        if (plan.sequenceRanks() == 1) {
          continue;
        }
        if (plan.mode() == SequenceMode.SWITCH) {
          if (temporal != patch && mine && isHere) {
            bytes += rows.size() * 4L * common(grid, plan, a, b, temporal) * profile.getChannels();
          }
          patch = temporal;
        } else if (mine && isHere && (full || temporal != patch)) {
          bytes += conflict(workload, plan, a, b, patch, rows.size());
        }
      }
      boolean boundary = block + 1 == plan.stages().get(a.stage()).end() && a.stage() < last;
      if (mine && boundary && b.stage() == a.stage() + 1 && sameSequence) {
        bytes += rows.size() * 4L * tokens(grid, plan, a, patch) * profile.getChannels();
      }
    }
    if (isHere && patch && a.stage() == last) {
      bytes += rows.size() * 4L * common(grid, plan, a, b, false) * profile.getPredictionColumns();
    }
    if (last > 0 && a.stage() == last && b.stage() == 0 && sameSequence) {
      bytes += 4L * workload.samples() * profile.getLatentChannels() * plane;
    }
    return bytes;
  }

  /** Tokens that a has now and b has then. */
  private static long common(
      TokenGrid grid, ExecutionPlan plan, Place a, Place b, boolean toPatch) {
    Place byFrame = toPatch ? a : b;
    Place byPatch = toPatch ? b : a;
    long frames = new Partition(grid.frames(), plan.shares()).of(byFrame.sequenceRank()).size();
    return frames * new Partition(grid.patches(), plan.shares()).of(byPatch.sequenceRank()).size();
  }

  private static long tokens(TokenGrid grid, ExecutionPlan plan, Place a, boolean patch) {
    int rank = a.sequenceRank();
    long own =
        patch
            ? (long) grid.frames() * new Partition(grid.patches(), plan.shares()).of(rank).size()
            : (long) new Partition(grid.frames(), plan.shares()).of(rank).size() * grid.patches();
    return own + new Partition(grid.text(), plan.shares()).of(rank).size();
  }

  private static long conflict(
      Workload workload, ExecutionPlan plan, Place a, Place b, boolean patch, int rows) {
    TokenGrid grid = TokenGrid.of(workload);
    int channels = workload.profile().getChannels();
    if (!plan.mode().exchangesHeads()) {
      return rows * 4L * tokens(grid, plan, a, patch) * 2 * channels;
    }
    int heads = workload.profile().getHeads();
    Partition partition = new Partition(heads, plan.shares());
    long there = partition.of(b.sequenceRank()).size() * ((long) channels / heads);
    long mine = partition.of(a.sequenceRank()).size() * ((long) channels / heads);
    return rows
        * (tokens(grid, plan, a, patch) * 3 * there * 4
            + tokens(grid, plan, b, patch) * mine * workload.productBytes());
  }

  @ParameterizedTest
  @EnumSource(SequenceMode.class)
  void shouldEqualABruteForceCountWhenPlansAreRandom(SequenceMode mode) {
    SplittableRandom random = new SplittableRandom(mode.name().hashCode());
    for (int i = 0; i < 150; i++) {
      Workload workload = RandomPlans.workload(random, mode);
      ExecutionPlan plan = RandomPlans.plan(random, workload, mode);
      Traffic traffic = traffic(workload, plan);
      for (int from = 0; from < plan.workers(); from++) {
        long sum = 0;
        for (int to = 0; to < plan.workers(); to++) {
          long expected = bruteForce(workload, plan, from, to);
          assertThat(traffic.between(from, to))
              .as("case %d, %s, %d to %d", i, plan, from, to)
              .isEqualTo(expected);
          sum += expected;
        }
        assertThat(traffic.sent(from)).as("case %d, %s, rank %d", i, plan, from).isEqualTo(sum);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 5, 7})
  void shouldLoseNothingWhenRanksShareAClip(int ranks) {
    SplittableRandom random = new SplittableRandom(ranks);
    for (int i = 0; i < 100; i++) {
      Workload workload = RandomPlans.workload(random, SequenceMode.HEADS);
      List<Integer> shares = new ArrayList<>();
      for (int rank = 0; rank < ranks; rank++) {
        shares.add(1 + random.nextInt(4));
      }
      TokenGrid grid = TokenGrid.of(workload);
      ModelProfile profile = workload.profile();
      RankShares of = new RankShares(grid, profile.getHeads(), profile.getChannels(), shares);
      long byFrame = 0;
      long byPatch = 0;
      int columns = 0;
      int latents = 0;
      for (int rank = 0; rank < ranks; rank++) {
        byFrame += of.tokens(rank, SplitWalk.Split.FRAME);
        byPatch += of.tokens(rank, SplitWalk.Split.PATCH);
        columns += of.headColumns(rank);
        latents += of.latentFrames(rank);
      }
      assertThat(byFrame).isEqualTo(grid.tokens());
      assertThat(byPatch).isEqualTo(grid.tokens());
      assertThat(columns).isEqualTo(profile.getChannels());
      assertThat(latents).isEqualTo(workload.clip().getLatentFrames());
    }
  }
}
