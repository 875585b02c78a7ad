package dev.longtake.worker.engine.model;

/**
 * One branch of a block: {@code x += result}. The names of its layers are {@code <block>.<name>.<layer>}, those of the
 * reference implementation.
 */
public sealed interface Op {
  /** Within the block, for example {@code "attn"}. */
  String name();

  /**
   * Modulated and gated self-attention with one joint projection {@code qkv} [3C, C] and an output projection {@code
   * proj}.
   *
   * @param qkNorm RMS norms {@code q_norm} and {@code k_norm} over the head dimension, before any rotation
   * @param rotary rotary positions along the axis
   */
  record SelfAttention(
      String name, Axis axis, Modulation modulation, boolean qkNorm, boolean rotary)
      implements Op {}

  /** Attention from every token to the text: {@code q_linear}, {@code kv_linear} [2C, C], {@code proj}; no norm, no gate. */
  record CrossAttention(String name) implements Op {}

  /** Modulated and gated {@code fc2(gelu(fc1(x)))}. */
  record Mlp(String name, int hidden, Modulation modulation) implements Op {}
}
