package dev.longtake.worker.measure;

import dev.longtake.v1.AttentionProfile;
import dev.longtake.v1.BlockProfile;
import dev.longtake.v1.KindTimes;

/**
 * From two measured sizes to what a block of one kind takes at any size: products and element-wise work are {@code o + n * a} of n
 * tokens, attention is {@code n * (b + k * c)} of n queries with k keys each, attention to the text {@code n * t * d} of t text
 * tokens. With two sizes each of the three has as many unknowns as it has measurements, or fewer.
 *
 * @param block its structure
 * @param small sums at the smaller size
 * @param large sums at the larger size
 */
record KindFit(BlockProfile block, Sums small, Sums large) {

  /**
   * Seconds of one block.
   *
   * @param attention of self-attentions
   * @param text of attentions to the text
   * @param other of everything else
   */
  record Sums(MeasuredRun run, double attention, double text, double other) {}

  /** A line with neither a negative start nor a negative slope. */
  record Line(double start, double slope) {
    static Line through(double x1, double y1, double x2, double y2) {
      double slope = x2 == x1 ? 0 : (y2 - y1) / (x2 - x1);
      double start = y1 - slope * x1;
      if (slope < 0) {
        return new Line((y1 + y2) / 2, 0);
      }
      return start < 0 ? new Line(0, y2 / x2) : new Line(start, slope);
    }
  }

  KindTimes times() {
    double tokensSmall = small.run.tokens();
    double tokensLarge = large.run.tokens();
    Line other = Line.through(tokensSmall, small.other, tokensLarge, large.other);
    Line attention =
        Line.through(
            keys(small.run),
            small.attention / tokensSmall,
            keys(large.run),
            large.attention / tokensLarge);
    double queries = large.run.patchTokens();
    double text = large.run.textTokens() == 0 ? 0 : large.text / (queries * large.run.textTokens());
    return KindTimes.newBuilder()
        .setKind(block.getKind())
        .setOverheadSeconds(other.start())
        .setSecondsPerToken(other.slope() + attention.start())
        .setSecondsPerTokenKey(attention.slope())
        .setSecondsPerTokenText(text)
        .build();
  }

  /** Keys of one query, the attentions of the block together. */
  private double keys(MeasuredRun run) {
    double keys = 0;
    for (AttentionProfile attention : block.getAttentionsList()) {
      int cell = Math.max(1, attention.getKeyValueReduction());
      keys +=
          switch (attention.getAxis()) {
            case AXIS_SPATIAL -> (double) run.clip().patches() / (cell * cell);
            case AXIS_TEMPORAL -> run.clip().frames();
            case AXIS_FULL -> run.tokens();
            case AXIS_UNSPECIFIED, UNRECOGNIZED -> 0;
          };
    }
    return keys;
  }
}
