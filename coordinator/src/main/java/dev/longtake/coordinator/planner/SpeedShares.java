package dev.longtake.coordinator.planner;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** Shares of sequence ranks in proportion to their workers' speeds, as small whole numbers. */
final class SpeedShares {
  /** Speeds that differ by less count as equal: measurements are not better. */
  private static final double TOLERANCE = 0.05;

  /** How far a share may be from a speed. */
  private static final double ROUNDING = 0.03;

  private static final int LARGEST_SHARE = 20;

  private SpeedShares() {}

  /**
   * The shares.
   *
   * @param speeds of the ranks, each positive
   */
  static List<Integer> of(double[] speeds) {
    double fastest = 0;
    double slowest = Double.MAX_VALUE;
    for (double speed : speeds) {
      fastest = Math.max(fastest, speed);
      slowest = Math.min(slowest, speed);
    }
    if (slowest >= fastest * (1 - TOLERANCE)) {
      return Collections.nCopies(speeds.length, 1);
    }
    int largest = 1;
    while (largest < LARGEST_SHARE && !isClose(speeds, fastest, largest)) {
      largest++;
    }
    List<Integer> shares = new ArrayList<>();
    for (double speed : speeds) {
      shares.add(share(speed / fastest, largest));
    }
    return shares;
  }

  private static int share(double ratio, int largest) {
    return (int) Math.max(1, Math.round(ratio * largest));
  }

  private static boolean isClose(double[] speeds, double fastest, int largest) {
    for (double speed : speeds) {
      double ratio = speed / fastest;
      if (Math.abs((double) share(ratio, largest) / largest - ratio) > ROUNDING) {
        return false;
      }
    }
    return true;
  }
}
