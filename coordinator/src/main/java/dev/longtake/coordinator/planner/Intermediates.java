package dev.longtake.coordinator.planner;

import dev.longtake.common.partition.Grain;
import dev.longtake.common.partition.Pieces;
import dev.longtake.common.plan.SequenceMode;
import dev.longtake.common.stepcache.Reusable;
import dev.longtake.common.stepcache.StepCacheMode;
import dev.longtake.v1.AttentionProfile.Axis;
import dev.longtake.v1.BlockProfile;
import dev.longtake.v1.ModelProfile;
import java.util.Set;

/**
 * Values of float32 that are there between two instructions: what a product reads and writes. For all tokens of a rank where an attention gets
 * keys, heads or tokens of other ranks, where a step cache keeps what an operation makes, and where the model has what can't be cut; else for
 * a piece of the tokens and each of the threads that compute pieces. The engine's rules (its {@code RegionPass} and {@code Cutting}); where blocks
 * differ, those of the one that needs most are taken for all.
 */
final class Intermediates {
  private final SplitWalk walk;
  private final RankShares shares;
  private final long pieceColumns;

  private final long channels;
  private final long predictionColumns;

  private final long wholeColumns;
  private final boolean splitsByFrame;
  private final boolean splitsByPatch;

  /** Whether pieces of patches are cut from a rank that has all frames of all patches. */
  private final boolean attendsAcrossFrames;

  Intermediates(Workload workload, SplitWalk walk, RankShares shares) {
    this.walk = walk;
    this.shares = shares;
    ModelProfile profile = workload.profile();
    pieceColumns = profile.getPieceColumns();
    channels = profile.getChannels();
    predictionColumns = profile.getPredictionColumns();
    wholeColumns =
        walk.forms().stream()
            .mapToLong(form -> wholeColumns(form, workload))
            .reduce(profile.getWholeColumns(), Math::max);
    boolean divided = shares.ranks() > 1;
    splitsByPatch = divided && (walk.mode().splitsByPatch() || walk.switches());
    splitsByFrame = !divided || !walk.mode().splitsByPatch();
    attendsAcrossFrames =
        !divided
            && walk.forms().stream()
                .flatMap(form -> form.attends().stream())
                .anyMatch(attend -> attend.attention().getAxis() == Axis.AXIS_TEMPORAL);
  }

  private long wholeColumns(SplitWalk.Form form, Workload workload) {
    BlockProfile block = form.profile();
    StepCacheMode mode = workload.stepCache();
    Set<Reusable> kept = mode.operations();
    // With a step cache the residual stream keeps its split, and what such attention reads is
    // switched.
    boolean switches =
        shares.ranks() > 1 && walk.mode() == SequenceMode.SWITCH && !mode.keepsNothing();
    long columns = 0;
    for (SplitWalk.Attend attend : form.attends()) {
      boolean isTemporal = attend.attention().getAxis() == Axis.AXIS_TEMPORAL;
      if (attend.conflicts()
          || (switches && isTemporal)
          || kept.contains(isTemporal ? Reusable.TEMPORAL : Reusable.SPATIAL)) {
        // What it reads, and queries, keys and values.
        columns = 4 * channels;
      }
    }
    if (kept.contains(Reusable.CROSS) && block.getTextAttentions() > 0) {
      columns = Math.max(columns, 2 * channels);
    }
    if (kept.contains(Reusable.MLP) && block.getMlps() > 0) {
      columns = Math.max(columns, channels + block.getMlpColumns());
    }
    return columns;
  }

  /** For each token of a rank. */
  long wholeColumns() {
    return wholeColumns;
  }

  /** For each token of a piece. */
  long pieceColumns() {
    return pieceColumns;
  }

  /**
   * For the pieces of a rank.
   *
   * @param branches rows of the batch that are computed together
   * @param predicts whether it is of the last stage
   */
  long pieces(int branches, int rank, boolean predicts, Grain grain) {
    if (pieceColumns == 0) {
      return 0;
    }
    int allFrames = shares.grid().frames();
    int allPatches = shares.grid().patches();
    var rows = new Rows();
    if (splitsByFrame) {
      rows.add(Pieces.of(branches, shares.frames(rank), allPatches, grain));
    }
    if (attendsAcrossFrames) {
      rows.add(Pieces.of(branches, allPatches, allFrames, grain));
    }
    if (splitsByPatch) {
      rows.add(Pieces.of(branches, shares.patches(rank), allFrames, grain));
    }
    // Patches are copied out of their frames, and back.
    boolean copies = splitsByPatch || attendsAcrossFrames;
    long copied = copies ? channels + (predicts ? predictionColumns : 0) : 0;
    return rows.sum() * (pieceColumns + copied);
  }

  /** Every strand has memory for the largest piece it computes; those that come one after the other are the first one's. */
  private static final class Rows {
    private int strands = 1;
    private long first;
    private long others;

    void add(Pieces pieces) {
      strands = Math.max(strands, pieces.strands());
      first = Math.max(first, pieces.maxRows());
      others = pieces.strands() > 1 ? Math.max(others, pieces.maxRows()) : others;
    }

    long sum() {
      return first + (strands - 1) * others;
    }
  }
}
