package dev.longtake.worker.engine.exec;

/**
 * How much the first block changes some tokens, and how much other than in the last step that was computed. Sums of integers don't depend
 * on their order, so those of all tokens are the same for any split of them.
 *
 * @param difference sum over tokens of the mean magnitude, over channels, of the difference between the two changes, in units of 2^-20
 * @param before sum of the mean magnitude of the change before
 */
public record ChangeSums(long difference, long before) {
  /** Of no tokens. */
  public static final ChangeSums NONE = new ChangeSums(0, 0);

  private static final double UNITS = 1 << 20;

  /** Of a token; with it, sums of 2^31 tokens stay within a long. */
  private static final double MAX_UNITS = 1L << 32;

  /** With another token. */
  ChangeSums plus(double meanDifference, double meanBefore) {
    return new ChangeSums(difference + units(meanDifference), before + units(meanBefore));
  }

  private static long units(double mean) {
    double units = Math.rint(mean * UNITS);
    // NaN counts as much.
    return (long) (units < MAX_UNITS ? units : MAX_UNITS);
  }

  /** Of the tokens of both. */
  public ChangeSums plus(ChangeSums other) {
    return new ChangeSums(difference + other.difference, before + other.before);
  }

  /** Whether the relative difference is below a threshold; it never is where nothing changed before. */
  public boolean isBelow(double threshold) {
    return before > 0 && difference < threshold * before;
  }
}
