package dev.longtake.coordinator.planner;

import dev.longtake.common.partition.Partition;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/** What each sequence rank has of frames, patches, heads and text tokens, by one list of shares. Immutable. */
final class RankShares {
  private final TokenGrid grid;
  private final int[] frames;
  private final int[] patches;
  private final int[] headColumns;
  private final int[] text;
  private final int[] latentFrames;

  RankShares(TokenGrid grid, int heads, int channels, List<Integer> shares) {
    this.grid = grid;
    frames = sizes(grid.frames(), shares);
    patches = sizes(grid.patches(), shares);
    text = sizes(grid.text(), shares);
    headColumns = sizes(heads, shares);
    Arrays.setAll(headColumns, rank -> headColumns[rank] * (channels / heads));
    latentFrames = new int[frames.length];
    int start = 0;
    for (int rank = 0; rank < frames.length; rank++) {
      int end = start + frames[rank];
      latentFrames[rank] = grid.latentFramesOf(end) - grid.latentFramesOf(start);
      start = end;
    }
  }

  private static int[] sizes(int size, List<Integer> shares) {
    Partition partition = new Partition(size, shares);
    return IntStream.range(0, partition.ranks()).map(rank -> partition.of(rank).size()).toArray();
  }

  int ranks() {
    return frames.length;
  }

  TokenGrid grid() {
    return grid;
  }

  int frames(int rank) {
    return frames[rank];
  }

  int patches(int rank) {
    return patches[rank];
  }

  int text(int rank) {
    return text[rank];
  }

  /** C_q: columns of the rank's heads. */
  int headColumns(int rank) {
    return headColumns[rank];
  }

  int latentFrames(int rank) {
    return latentFrames[rank];
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
