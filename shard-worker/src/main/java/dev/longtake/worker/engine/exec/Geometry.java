package dev.longtake.worker.engine.exec;

import dev.longtake.common.partition.Partition;
import dev.longtake.common.partition.Range;
import dev.longtake.worker.device.Patching;
import dev.longtake.worker.engine.program.Split;
import java.util.Collections;
import java.util.List;

/**
 * The size of a clip and this rank's share of it.
 *
 * @param branches rows of the batch, guidance included
 * @param patching of the whole clip
 * @param pixelHeight what the model is told; the position table and the timestep transform use it
 * @param rank among the sequence ranks
 * @param shares of the sequence ranks, one each
 */
public record Geometry(
    int branches,
    Patching patching,
    double pixelHeight,
    double pixelWidth,
    int pixelFrames,
    int rank,
    List<Integer> shares) {
  public Geometry {
    shares = List.copyOf(shares);
  }

  /** Equal shares. */
  public Geometry(
      int branches,
      Patching patching,
      double pixelHeight,
      double pixelWidth,
      int pixelFrames,
      int rank,
      int ranks) {
    this(
        branches,
        patching,
        pixelHeight,
        pixelWidth,
        pixelFrames,
        rank,
        Collections.nCopies(ranks, 1));
  }

  /** Sequence ranks. */
  public int ranks() {
    return shares.size();
  }

  /** The same clip with other rows of the batch. */
  public Geometry withBranches(int count) {
    return new Geometry(count, patching, pixelHeight, pixelWidth, pixelFrames, rank, shares);
  }

  /** The patches of this rank under a split. */
  TokenLayout patches(Split split) {
    Range all = new Range(0, branches);
    int frames = patching.gridFrames();
    int patches = patching.patchesPerFrame();
    return switch (split) {
      case FRAME -> new TokenLayout(all, frameRange(rank), new Range(0, patches));
      case PATCH -> new TokenLayout(all, new Range(0, frames), patchRange(rank));
    };
  }

  /** Token frames of a rank under {@link Split#FRAME}. */
  public Range frameRange(int ofRank) {
    return new Partition(patching.gridFrames(), shares).of(ofRank);
  }

  /** Patches of a rank under {@link Split#PATCH}. */
  public Range patchRange(int ofRank) {
    return new Partition(patching.patchesPerFrame(), shares).of(ofRank);
  }

  /** Attention heads of a rank where heads are exchanged. */
  Range headRange(int heads, int ofRank) {
    return new Partition(heads, shares).of(ofRank);
  }

  /** Latent frames of this rank: those of its token frames. */
  public Range latentFrames() {
    return latentFrames(rank);
  }

  /** Latent frames of a rank. */
  public Range latentFrames(int ofRank) {
    Range frames = frameRange(ofRank);
    return new Range(
        Math.min(frames.start() * patching.patchFrames(), patching.frames()),
        Math.min(frames.end() * patching.patchFrames(), patching.frames()));
  }

  /** The patching of this rank's latent frames. */
  public Patching localPatching() {
    return new Patching(
        latentFrames().size(),
        patching.height(),
        patching.width(),
        patching.patchFrames(),
        patching.patchHeight(),
        patching.patchWidth());
  }
}
