package dev.longtake.coordinator.planner;

import dev.longtake.common.partition.Range;
import dev.longtake.common.plan.ExecutionPlan;
import dev.longtake.common.plan.ExecutionPlan.Place;
import dev.longtake.v1.BlockProfile;
import dev.longtake.v1.ModelProfile;
import java.util.stream.IntStream;

/**
 * Bytes that a worker needs for its part of one job at most: as the engine allocates them where no block runs in pieces of its tokens. How
 * large pieces are depends on the device; so where they are possible a worker needs less. Packing's padding, position tables and a device's scratch
 * are left out.
 *
 * <ul>
 *   <li>Weights of the stage's blocks, {@code 2} (bfloat16) or {@code 4} bytes for those of products and {@code 4} for all others, and
 *       what the first, the last and every stage hold beside.
 *   <li>For each part of the rows, at the larger number of tokens n that its splits give a rank: {@code 4 n} times a narrow and a wide
 *       buffer, the residual stream, a second one where the split changes, and the prediction.
 *   <li>With heads four buffers of the rank's columns for all tokens; with a gather keys and values of all tokens.
 *   <li>Host memory that exchanges pass through.
 *   <li>The text: as encoded, projected, and as keys and values of every attention to it.
 *   <li>On the last stage six copies of the rank's latents.
 *   <li>What a step cache keeps, see {@link KeptColumns}.
 * </ul>
 */
final class Memory {
  private static final int FLOAT_BYTES = 4;
  private static final int LATENT_COPIES = 6;

  private final Workload workload;
  private final ModelProfile profile;
  private final SplitWalk walk;
  private final RankShares shares;
  private final long channels;
  private final KeptColumns kept;

  /** Of the blocks before each block. */
  private final long[] weightBytes;

  private final int[] textAttentions;

  /** The smallest of any block; 0: none reduces keys. */
  private final int reduction;

  Memory(Workload workload, SplitWalk walk, RankShares shares) {
    this.workload = workload;
    this.walk = walk;
    this.shares = shares;
    profile = workload.profile();
    channels = profile.getChannels();
    kept = new KeptColumns(workload);
    reduction =
        walk.forms().stream()
            .flatMap(form -> form.attends().stream())
            .mapToInt(attend -> attend.attention().getKeyValueReduction())
            .filter(factor -> factor > 1)
            .min()
            .orElse(0);
    int blocks = profile.getBlocksCount();
    weightBytes = new long[blocks + 1];
    textAttentions = new int[blocks + 1];
    for (int block = 0; block < blocks; block++) {
      BlockProfile of = profile.getBlocks(block);
      weightBytes[block + 1] =
          weightBytes[block]
              + workload.productBytes() * of.getReducibleParameters()
              + FLOAT_BYTES * of.getFloatParameters();
      textAttentions[block + 1] = textAttentions[block] + of.getTextAttentions();
    }
  }

  /**
   * What grows with a stage's blocks: their weights, the text's keys and values of these rows, and what a step cache keeps of them on the rank
   * with the most tokens.
   */
  long ofBlocks(Range blocks, int rows) {
    long text = profile.getTextChannels() > 0 ? (long) rows * workload.textTokens() : 0;
    long mostTokens =
        IntStream.range(0, shares.ranks()).mapToLong(this::keptTokens).max().orElse(0);
    return weights(blocks)
        + FLOAT_BYTES * text * textAttentions(blocks) * 2 * channels
        + rows * mostTokens * kept.bytes(blocks);
  }

  /**
   * What a worker of several stages needs beside {@link #ofBlocks}, or a little more.
   *
   * @param lanes rows of each part
   */
  long besideBlocks(int[] lanes, int rank, boolean last) {
    long bytes = last ? latents(rank) : 0;
    for (int rows : lanes) {
      bytes += lane(rows, rank, /* staged= */ true, walk.conflicts(), /* attentionsToText= */ 0);
    }
    return bytes;
  }

  /** All that a worker needs. */
  long bytes(ExecutionPlan plan, Place place) {
    int[] lanes =
        plan.lanes(workload.rows(), place.branchGroup()).stream().mapToInt(Range::size).toArray();
    return bytes(
        plan.stages().get(place.stage()), lanes, place.sequenceRank(), plan.stages().size() > 1);
  }

  /**
   * All that a worker needs.
   *
   * @param lanes rows of each part
   * @param staged whether there are other stages
   */
  long bytes(Range blocks, int[] lanes, int rank, boolean staged) {
    long bytes = weights(blocks) + (blocks.end() == walk.blocks() ? latents(rank) : 0);
    boolean conflicts = walk.conflicts(blocks) > 0;
    for (int rows : lanes) {
      bytes += lane(rows, rank, staged, conflicts, textAttentions(blocks));
      bytes += rows * keptTokens(rank) * kept.bytes(blocks);
    }
    return bytes;
  }

  /** Of one row, in the split that a step cache leaves the tokens in. */
  private long keptTokens(int rank) {
    boolean byPatch = shares.ranks() > 1 && walk.mode().splitsByPatch();
    return shares.tokens(rank, byPatch ? SplitWalk.Split.PATCH : SplitWalk.Split.FRAME);
  }

  /** What all ranks of a stage hold, whatever their share. */
  long weights(Range blocks) {
    return weightBytes[blocks.end()]
        - weightBytes[blocks.start()]
        + FLOAT_BYTES
            * (profile.getSharedParameters()
                + (blocks.start() == 0 ? profile.getFirstStageParameters() : 0)
                + (blocks.end() == walk.blocks() ? profile.getLastStageParameters() : 0));
  }

  private int textAttentions(Range blocks) {
    return textAttentions[blocks.end()] - textAttentions[blocks.start()];
  }

  private long latents(int rank) {
    return (long) LATENT_COPIES
        * FLOAT_BYTES
        * workload.samples()
        * profile.getLatentChannels()
        * shares.latentFrames(rank)
        * shares.grid().latentsPerFrame();
  }

  /** What some rows that are computed together take. */
  private long lane(long rows, int rank, boolean staged, boolean conflicts, int attentionsToText) {
    long byFrame = rows * shares.tokens(rank, SplitWalk.Split.FRAME);
    long byPatch = rows * shares.tokens(rank, SplitWalk.Split.PATCH);
    boolean switches = walk.switches();
    long tokens = switches ? Math.max(byFrame, byPatch) : byFrame;
    long joint = rows * shares.grid().tokens();
    long prediction = profile.getPredictionColumns();
    long columns =
        2 * channels
            + profile.getWideColumns()
            + profile.getHiddenColumns()
            + (switches ? channels : 0)
            + (walk.switchesPrediction() ? 2 : 1) * prediction;
    long values = tokens * columns;
    if (switches) {
      values += 2 * tokens * Math.max(channels, prediction);
    }
    if (conflicts) {
      values += walk.mode().exchangesHeads() ? heads(tokens, joint, rank) : 4 * joint * channels;
    } else if (shares.ranks() == 1 && profile.getTextInSequence()) {
      // Keys and values of two streams are put into one order even by a rank that has them all.
      values += 2 * joint * channels;
    }
    if (staged) {
      values += tokens * channels;
    }
    values += reducedKeys(byFrame);
    if (profile.getTextChannels() > 0) {
      values +=
          rows
              * workload.textTokens()
              * (profile.getTextChannels() + channels + attentionsToText * 2L * channels);
    }
    return FLOAT_BYTES * values;
  }

  /** Four buffers of the rank's columns, and what is staged: three of all columns, three of its own. */
  private long heads(long tokens, long joint, int rank) {
    long columns = shares.headColumns(rank);
    return 4 * joint * columns + 3 * channels * tokens + 3 * columns * joint;
  }

  private long reducedKeys(long tokens) {
    return reduction == 0 ? 0 : Math.ceilDiv(tokens, (long) reduction * reduction) * 2 * channels;
  }
}
