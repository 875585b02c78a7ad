package dev.longtake.worker.device;

/** Applied to the result of a matrix product. */
public enum Activation {
  NONE,
  /** The tanh form: {@code x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))}. */
  GELU_TANH,
  /** {@code x * sigmoid(x)}. */
  SILU
}
