package dev.longtake.worker.engine.exec;

import dev.longtake.common.partition.Partition;
import dev.longtake.common.partition.Range;
import dev.longtake.worker.device.Patching;
import dev.longtake.worker.engine.program.Split;

/**
 * The size of a clip and this rank's share of it.
 *
 * @param branches rows of the batch, guidance included
 * @param patching of the whole clip
 * @param pixelHeight what the model is told; the position table and the timestep transform use it
 */
public record Geometry(
    int branches,
    Patching patching,
    double pixelHeight,
    double pixelWidth,
    int pixelFrames,
    int rank,
    int ranks) {

  /** The tokens of this rank under a split. */
  TokenLayout layout(Split split) {
    int frames = patching.gridFrames();
    int patches = patching.patchesPerFrame();
    return switch (split) {
      case FRAME -> new TokenLayout(branches, frameRange(rank), new Range(0, patches));
      // One rank holds everything; only several ranks ever switch to this split.
      case PATCH -> new TokenLayout(branches, new Range(0, frames), patchRange(rank));
    };
  }

  /** Token frames of a rank under {@link Split#FRAME}. */
  public Range frameRange(int ofRank) {
    return new Partition(patching.gridFrames(), ranks).of(ofRank);
  }

  /** Patches of a rank under {@link Split#PATCH}. */
  public Range patchRange(int ofRank) {
    return new Partition(patching.patchesPerFrame(), ranks).of(ofRank);
  }

  /** Latent frames of this rank: those of its token frames. */
  public Range latentFrames() {
    Range frames = frameRange(rank);
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

  /** Most tokens this rank holds under any split. */
  int maxRows() {
    int whole = ranks == 1 ? 0 : layout(Split.PATCH).rows();
    return Math.max(layout(Split.FRAME).rows(), whole);
  }
}
