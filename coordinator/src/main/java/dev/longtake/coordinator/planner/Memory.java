package dev.longtake.coordinator.planner;

import dev.longtake.common.partition.Grain;
import dev.longtake.common.partition.Range;
import dev.longtake.common.plan.ExecutionPlan;
import dev.longtake.common.plan.ExecutionPlan.Place;
import dev.longtake.v1.BlockProfile;
import dev.longtake.v1.ModelProfile;
import java.util.stream.IntStream;

/**
 * Bytes that a worker needs for its part of one job, as the engine allocates them, or a little more.
 *
 * <ul>
 *   <li>Weights of the stage's blocks, {@code 2} (bfloat16) or {@code 4} bytes for those of products and {@code 4} for all others, and
 *       what the first, the last and every stage hold beside.
 *   <li>For each part of the rows, at the larger number of tokens n that its splits give a rank: {@code 4 n} times the residual
 *       stream, a second one where the split changes, the prediction, and what is there between two instructions for all tokens at once; and the same
 *       for pieces of the tokens, see {@link Intermediates}.
 *   <li>With heads four buffers of the rank's columns for all tokens; with a gather keys and values of all tokens.
 *   <li>Host memory that exchanges pass through.
 *   <li>The text: as encoded, projected, and as keys and values of every attention to it.
 *   <li>On the last stage six copies of the rank's latents.
 *   <li>What a step cache keeps, see {@link KeptColumns}.
 *   <li>Scratch memory of products, a tile of rows as wide as what is there between two instructions for each strand of the device.
 *   <li>A small part of the weights for what has no form here: their padding, tables of positions, vectors of timesteps.
 * </ul>
 */
final class Memory {
  private static final int FLOAT_BYTES = 4;
  private static final int LATENT_COPIES = 6;

  /** About those of the devices' products; a CPU's are 192. */
  private static final int TILE_ROWS = 256;

  /** One part in so many of the weights; with the demo model 1.3 % are needed. */
  private static final int RESERVE = 50;

  private final Workload workload;
  private final ModelProfile profile;
  private final SplitWalk walk;
  private final RankShares shares;
  private final long channels;
  private final KeptColumns kept;
  private final Intermediates intermediates;

  /** Of the blocks before each block. */
  private final long[] weightBytes;

  private final int[] textAttentions;

  /** The smallest of any block; 0: none reduces keys. */
  private final int reduction;

  /** Which of a model's ends a stage has; both where there is one stage. */
  record Ends(boolean first, boolean last) {}

  Memory(Workload workload, SplitWalk walk, RankShares shares) {
    this.workload = workload;
    this.walk = walk;
    this.shares = shares;
    profile = workload.profile();
    channels = profile.getChannels();
    kept = new KeptColumns(workload);
    intermediates = new Intermediates(workload, walk, shares);
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
   * @param ends of the model that its stage has, one at most
   */
  long besideBlocks(int[] lanes, int rank, Ends ends, Grain grain) {
    long bytes = scratch(grain) + (ends.last ? latents(rank) : 0);
    for (int rows : lanes) {
      bytes += lane(rows, rank, ends, walk.conflicts(), /* attentionsToText= */ 0);
      bytes += FLOAT_BYTES * intermediates.pieces(rows, rank, ends.last, grain);
    }
    return bytes;
  }

  /**
   * All that a worker needs.
   *
   * @param grain the worker's
   */
  long bytes(ExecutionPlan plan, Place place, Grain grain) {
    int[] lanes =
        plan.lanes(workload.rows(), place.branchGroup()).stream().mapToInt(Range::size).toArray();
    return bytes(plan.stages().get(place.stage()), lanes, place.sequenceRank(), grain);
  }

  /**
   * All that a worker needs.
   *
   * @param lanes rows of each part
   * @param grain the worker's
   */
  long bytes(Range blocks, int[] lanes, int rank, Grain grain) {
    Ends ends = ends(blocks);
    long bytes = weights(blocks) + scratch(grain) + (ends.last ? latents(rank) : 0);
    boolean conflicts = walk.conflicts(blocks) > 0;
    for (int rows : lanes) {
      bytes += lane(rows, rank, ends, conflicts, textAttentions(blocks));
      bytes += FLOAT_BYTES * intermediates.pieces(rows, rank, ends.last, grain);
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
    Ends ends = ends(blocks);
    long held =
        weightBytes[blocks.end()]
            - weightBytes[blocks.start()]
            + FLOAT_BYTES
                * (profile.getSharedParameters()
                    + (ends.first ? profile.getFirstStageParameters() : 0)
                    + (ends.last ? profile.getLastStageParameters() : 0));
    return held + held / RESERVE;
  }

  private Ends ends(Range blocks) {
    return new Ends(blocks.start() == 0, blocks.end() == walk.blocks());
  }

  private int textAttentions(Range blocks) {
    return textAttentions[blocks.end()] - textAttentions[blocks.start()];
  }

  private long scratch(Grain grain) {
    long columns = Math.max(intermediates.wholeColumns(), intermediates.pieceColumns());
    return (long) FLOAT_BYTES * TILE_ROWS * grain.strands() * columns;
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
  private long lane(long rows, int rank, Ends ends, boolean conflicts, int attentionsToText) {
    long byFrame = rows * shares.tokens(rank, SplitWalk.Split.FRAME);
    long byPatch = rows * shares.tokens(rank, SplitWalk.Split.PATCH);
    boolean switches = walk.switches();
    long tokens = switches ? Math.max(byFrame, byPatch) : byFrame;
    long joint = rows * shares.grid().tokens();
    long prediction = ends.last ? profile.getPredictionColumns() : 0;
    long columns =
        channels
            + intermediates.wholeColumns()
            + (ends.first ? embeddedColumns() : 0)
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
    if (!ends.first || !ends.last) {
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

  /** Of the latents of a patch and a mask, on their way into the network. */
  private long embeddedColumns() {
    return (1L + profile.getLatentChannels())
        * Math.max(1, profile.getPatchFrames())
        * Math.max(1, profile.getPatchHeight())
        * Math.max(1, profile.getPatchWidth());
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
