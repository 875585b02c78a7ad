package dev.longtake.worker.engine.model;

import dev.longtake.worker.device.Activation;
import java.util.List;

/** A step in computing the vectors that modulate: one small row per branch and timestep, not per token. */
public sealed interface VectorOp {
  /** Name of the vector it makes; where the reference has an intermediate of this name, the same. */
  String output();

  /** What a sinusoid table is made of. */
  enum Scalar {
    /** 0 to 1000. */
    TIMESTEP,
    /** Frames per second. */
    FRAME_RATE,
    /** Pixels. */
    HEIGHT,
    /** Pixels. */
    WIDTH,
    /** Height divided by width. */
    ASPECT_RATIO,
    /** Video frames. */
    FRAME_COUNT,
    /** Strength of distilled guidance. */
    GUIDANCE
  }

  /**
   * {@code second(silu(first(table(factor * scalar))))} with a table of cosines and sines.
   *
   * @param columns of the vector
   * @param lastFrequencyReached whether the slowest frequency is 1 / 10000, as diffusers has it for DiT, or the next after it
   */
  record Sinusoid(
      String output,
      Scalar scalar,
      float factor,
      String first,
      String second,
      int columns,
      boolean lastFrequencyReached)
      implements VectorOp {
    /** Columns of the table, half of them cosines. */
    public static final int TABLE_COLUMNS = 256;
  }

  /** {@code left + right}. */
  record Sum(String output, String left, String right) implements VectorOp {}

  /** The parts side by side. */
  record Concat(String output, List<String> parts) implements VectorOp {
    public Concat {
      parts = List.copyOf(parts);
    }
  }

  /** {@code ordinary} for ordinary frames, {@code masked} for those treated as t = 0. */
  record WhereMasked(String output, String ordinary, String masked) implements VectorOp {}

  /**
   * {@code layer(silu(input))}.
   *
   * @param rows how many vectors of C channels the layer makes at once
   */
  record SiluLinear(String output, String input, String layer, int rows) implements VectorOp {}

  /**
   * The row of a class in a table [classes + 1, C], the last row being the null class.
   *
   * @param table name of the weight
   */
  record ClassEmbedding(String output, String table, int classes) implements VectorOp {}

  /**
   * The pooled text through one layer, or two with an activation between them.
   *
   * @param layers to C channels
   */
  record PooledText(String output, List<String> layers, Activation between) implements VectorOp {
    public PooledText {
      layers = List.copyOf(layers);
    }
  }
}
