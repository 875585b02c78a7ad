package dev.longtake.worker.engine.program;

/**
 * What instructions read and write. Token values are rows {@code [branch, frame, patch]} of the rank's split.
 *
 * @param name unique; the buffer's key
 */
public record Value(String name) {
  /** The current latents; changes every step. */
  public static final Value LATENTS = new Value("latents");

  /** One per branch and frame; changes every step. */
  public static final Value TIMESTEPS = new Value("timesteps");

  /** One per branch. */
  public static final Value FRAME_RATES = new Value("frame rates");

  /** The text encoder's output, packed: [tokens of all branches, text channels]. */
  public static final Value ENCODED_TEXT = new Value("encoded text");

  /** The projected text, packed: [tokens of all branches, C]. */
  public static final Value TEXT = new Value("text");

  /** The residual stream, [tokens, C] F32. */
  public static final Value RESIDUAL = new Value("residual");

  /** What the next product reads, [tokens, C] in the type of the products. */
  public static final Value NARROW = new Value("narrow");

  /** What the last product wrote: q, k and v, or the MLP's hidden layer. */
  public static final Value WIDE = new Value("wide");

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

  /** Keys and values of a cross-attention, [tokens of all branches, 2C] F32. */
  public static Value keyValue(String layer) {
    return new Value("keys and values " + layer);
  }
}
