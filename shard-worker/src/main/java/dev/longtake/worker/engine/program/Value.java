package dev.longtake.worker.engine.program;

import dev.longtake.worker.engine.model.Modulation;

/**
 * What instructions read and write. Token values are rows {@code [branch, frame, patch]} of the rank's split; where text
 * tokens are tokens of the network, the rank's share of them is in front, packed branch by branch.
 *
 * @param name unique; the buffer's key
 */
public record Value(String name) {
  /** The current latents; changes every step. */
  public static final Value LATENTS = new Value("latents");

  /** One per branch and frame; changes every step. */
  public static final Value TIMESTEPS = new Value("timesteps");

  /** Frame rates, sizes and other numbers of each branch. */
  public static final Value SCALARS = new Value("scalars");

  /** One vector per branch. */
  public static final Value POOLED_TEXT = new Value("pooled text");

  /** One per branch. */
  public static final Value CLASS_LABELS = new Value("class labels");

  /** A mask and reference latents beside the latents. */
  public static final Value REFERENCE = new Value("reference latents");

  /** The text encoder's output, packed: [tokens of all branches, text channels]. */
  public static final Value ENCODED_TEXT = new Value("encoded text");

  /** The projected text, packed: [tokens of all branches, C], or as it was where nothing projects it. */
  public static final Value TEXT = new Value("text");

  /** The residual stream, [tokens, C] F32. */
  public static final Value RESIDUAL = new Value("residual");

  /** What the next product reads, [tokens, C] in the type of the products. */
  public static final Value NARROW = new Value("narrow");

  /** What the last product wrote: q, k and v, or the MLP's hidden layer. */
  public static final Value WIDE = new Value("wide");

  /** An attention's result and beside it an MLP's hidden layer, [tokens, C + hidden]. */
  public static final Value HIDDEN = new Value("hidden");

  /** Keys and values of a self-attention where they are not those of the rank's own tokens, [keys, 2C] F32. */
  public static final Value KEY_VALUE = new Value("keys and values");

  /** Queries, keys and values of some heads of all tokens, [keys, 3 * columns of the rank's heads] F32. */
  public static final Value HEADS = new Value("heads");

  /** An attention's result for some heads of all tokens, [keys, columns of the rank's heads] in the type of the products. */
  public static final Value HEADS_RESULT = new Value("heads' result");

  /** The change that the first block makes to the residual stream, [tokens, C] F32. */
  public static final Value FIRST_CHANGE = new Value("first block's change");

  /** The residual stream behind the first block, and at a step's end what all other blocks have added to it, [tokens, C] F32. */
  public static final Value REST = new Value("rest");

  /** The final layer's output, [tokens, patch volume * output channels] F32. */
  public static final Value PREDICTION = new Value("prediction");

  /** A small vector per branch and timestep. */
  public static Value vector(String name) {
    return new Value("vector " + name);
  }

  /** A modulation table with a vector added to its rows. */
  public static Value modulation(String table) {
    return new Value("modulation " + table);
  }

  /** The vectors a modulation takes its rows from. */
  public static Value of(Modulation.Source source) {
    return switch (source) {
      case Modulation.Source.Table table -> modulation(table.table());
      case Modulation.Source.Vector vector -> vector(vector.vector());
    };
  }

  /** Keys and values of a cross-attention, [tokens of all branches, 2C] F32. */
  public static Value keyValue(String layer) {
    return new Value("keys and values " + layer);
  }
}
