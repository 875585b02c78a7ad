package dev.longtake.coordinator.planner;

import dev.longtake.common.partition.Partition;
import java.util.List;

/** What each sequence rank has of frames, patches, heads and text tokens, by one list of shares. Immutable. */
final class RankShares {
  private final TokenGrid grid;
  private final Partition frames;
  private final Partition patches;
  private final Partition heads;
  private final Partition text;
  private final int headColumns;

  RankShares(TokenGrid grid, int heads, int channels, List<Integer> shares) {
    this.grid = grid;
    frames = new Partition(grid.frames(), shares);
    patches = new Partition(grid.patches(), shares);
    this.heads = new Partition(heads, shares);
    text = new Partition(grid.text(), shares);
    headColumns = channels / heads;
  }

  int ranks() {
    return frames.ranks();
  }

  TokenGrid grid() {
    return grid;
  }

  int frames(int rank) {
    return frames.of(rank).size();
  }

  int patches(int rank) {
    return patches.of(rank).size();
  }

  int text(int rank) {
    return text.of(rank).size();
  }

  /** C_q: columns of the rank's heads. */
  int headColumns(int rank) {
    return heads.of(rank).size() * headColumns;
  }

  int latentFrames(int rank) {
    return grid.latentFramesOf(frames.of(rank).end())
        - grid.latentFramesOf(frames.of(rank).start());
  }

  /** n_q of one row under a split, text in the sequence included. */
  long tokens(int rank, SplitWalk.Split split) {
    return switch (split) {
          case FRAME -> (long) frames(rank) * grid.patches();
          case PATCH -> (long) grid.frames() * patches(rank);
        }
        + text(rank);
  }

  /** Whether the two ranks have as much of everything. */
  boolean areAlike(int one, int other) {
    return frames(one) == frames(other)
        && patches(one) == patches(other)
        && headColumns(one) == headColumns(other)
        && text(one) == text(other)
        && latentFrames(one) == latentFrames(other);
  }
}
