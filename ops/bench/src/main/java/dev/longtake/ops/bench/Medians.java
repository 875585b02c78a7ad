package dev.longtake.ops.bench;

import java.util.List;

/** Medians, which one disturbed round does not move. */
final class Medians {
  private Medians() {}

  /** The middle value, or the mean of the two in the middle; NaN of nothing. */
  static double of(List<Double> values) {
    if (values.isEmpty()) {
      return Double.NaN;
    }
    List<Double> sorted = values.stream().sorted().toList();
    int middle = sorted.size() / 2;
    return sorted.size() % 2 == 1
        ? sorted.get(middle)
        : (sorted.get(middle - 1) + sorted.get(middle)) / 2;
  }
}
