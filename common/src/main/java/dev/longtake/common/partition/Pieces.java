package dev.longtake.common.partition;

/**
 * How the tokens of some branches are cut into pieces along one axis, frames or patches, as equal as they can be. The engine cuts by this, and
 * planning counts by it.
 *
 * @param ofBranch pieces that each branch's part of the axis is divided into
 * @param strands of the device that compute a piece each; with 1, one piece comes after the other, each computed by the whole device
 * @param maxRows tokens of the largest piece
 */
public record Pieces(int ofBranch, int strands, long maxRows) {
  /** Threads are seldom equally fast, least where others use the machine: with so many pieces each, none waits long in the end. */
  private static final int PIECES_OF_STRAND = 4;

  /** Part of the threads' time that must not be spent waiting for the last piece, where all are equally fast. */
  private static final double LEAST_USE = 0.75;

  /**
   * Cuts tokens.
   *
   * @param along elements of the axis
   * @param across tokens of one element
   */
  public static Pieces of(int branches, int along, int across, Grain grain) {
    long tokens = (long) branches * along * across;
    if (tokens == 0) {
      return new Pieces(/* ofBranch= */ 0, /* strands= */ 1, /* maxRows= */ 0);
    }
    if (grain.strands() > 1) {
      long share = tokens / ((long) PIECES_OF_STRAND * grain.strands());
      int ofBranch = count(along, across, Math.min(grain.rows(), share));
      int pieces = Math.multiplyExact(branches, ofBranch);
      int rounds = Math.ceilDiv(pieces, grain.strands());
      if (pieces >= LEAST_USE * rounds * grain.strands()) {
        return new Pieces(ofBranch, grain.strands(), largest(along, across, ofBranch));
      }
    }
    int ofBranch = count(along, across, (long) grain.rows() * grain.strands());
    return new Pieces(ofBranch, /* strands= */ 1, largest(along, across, ofBranch));
  }

  /** So many that each has about so many rows. */
  private static int count(int along, int across, long rows) {
    return Math.ceilDiv(along, Math.clamp(rows / across, 1, along));
  }

  private static long largest(int along, int across, int pieces) {
    return (long) Math.ceilDiv(along, pieces) * across;
  }
}
