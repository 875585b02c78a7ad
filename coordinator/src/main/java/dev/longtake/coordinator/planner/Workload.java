package dev.longtake.coordinator.planner;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.plan.WireFormat;
import dev.longtake.common.stepcache.StepCacheMode;
import dev.longtake.common.stepcache.StepCaches;
import dev.longtake.v1.ClipGeometry;
import dev.longtake.v1.ModelProfile;
import dev.longtake.v1.Precision;

/**
 * What is to be computed in every step of a job.
 *
 * @param clip of which the latent sizes count
 * @param samples clips made at once
 * @param rows R of the batch: with guidance twice the samples
 * @param textTokens of every row
 * @param precision of the products; unspecified is float32
 * @param learnedVariance whether the sampler uses the variance that the prompts' rows predict
 * @param wireFormat how activations are to travel
 * @param stepCache what steps take over from earlier ones, for which memory is needed; times and bytes are those of a step that is computed
 */
public record Workload(
    ModelProfile profile,
    ClipGeometry clip,
    int samples,
    int rows,
    int textTokens,
    Precision precision,
    boolean learnedVariance,
    WireFormat wireFormat,
    StepCacheMode stepCache) {
  public Workload {
    if (profile.getBlocksCount() == 0 || profile.getChannels() < 1 || profile.getHeads() < 1) {
      throw new LongtakeException(
          ErrorCode.INVALID_MODEL,
          "Expected a model whose card has a profile with blocks, channels and heads, but it has %d, %d and %d; start workers of this version"
              .formatted(profile.getBlocksCount(), profile.getChannels(), profile.getHeads()));
    }
    if (samples < 1 || rows < samples || textTokens < 0) {
      throw new IllegalArgumentException(
          "Expected at least one sample, a row for each and no negative number of text tokens, but got %d, %d and %d"
              .formatted(samples, rows, textTokens));
    }
  }

  /** Work whose activations travel as they are, and that computes everything. */
  public Workload(
      ModelProfile profile,
      ClipGeometry clip,
      int samples,
      int rows,
      int textTokens,
      Precision precision,
      boolean learnedVariance) {
    this(
        profile,
        clip,
        samples,
        rows,
        textTokens,
        precision,
        learnedVariance,
        WireFormat.STORED,
        StepCaches.EXACT);
  }

  /** Bytes of so many rows of float32 on their way to another worker. */
  long wireBytes(long rows, long columns) {
    return rows * wireFormat.rowBytes(columns, Float.BYTES);
  }

  /** What travels of each stored byte, of rows as wide as the model. */
  double wireShare(int storedBytes) {
    long columns = profile.getChannels();
    return (double) wireFormat.rowBytes(columns, storedBytes) / (columns * storedBytes);
  }

  /** The same work with another format. */
  public Workload withWireFormat(WireFormat format) {
    return new Workload(
        profile, clip, samples, rows, textTokens, precision, learnedVariance, format, stepCache);
  }

  /** The same work with another step cache. */
  public Workload withStepCache(StepCacheMode other) {
    return new Workload(
        profile, clip, samples, rows, textTokens, precision, learnedVariance, wireFormat, other);
  }

  /** Bytes of a value that a product makes for the next one. */
  int productBytes() {
    return precision == Precision.PRECISION_BF16 ? 2 : 4;
  }

  /** The same for another clip. */
  Workload withClip(ClipGeometry other) {
    return new Workload(
        profile,
        other,
        samples,
        rows,
        textTokens,
        precision,
        learnedVariance,
        wireFormat,
        stepCache);
  }
}
