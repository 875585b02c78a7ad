package dev.longtake.worker.engine.model;

import dev.longtake.common.stepcache.Reusable;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** One branch of a block: {@code x += result}. Its layers are named {@code <block>.<name>.<layer>}. */
public sealed interface Op {
  /** What it counts as where later steps take its result over; empty: it is always computed. */
  default Optional<Reusable> reusable() {
    return switch (this) {
      case SelfAttention attention -> Optional.of(attention.axis().reusable());
      case ParallelAttention _ -> Optional.of(Axis.FULL.reusable());
      case CrossAttention _ -> Optional.of(Reusable.CROSS);
      case Mlp _ -> Optional.of(Reusable.MLP);
      case AddPosition _ -> Optional.empty();
    };
  }

  /**
   * Self-attention. With two parts (text first) it is joint attention: each stream has projections of its own, and the tokens
   * of both attend to all (MMDiT, arXiv 2403.03206).
   *
   * @param rotary rotary positions of the patches
   * @param keyValueReduction side of the cells that keys and values are reduced by (PixArt-Sigma, arXiv 2403.04692), 1 for
   *     none; its layers are {@code sr} and {@code norm}
   */
  record SelfAttention(
      List<Part> parts, Axis axis, QkNorm qkNorm, boolean rotary, int keyValueReduction)
      implements Op {
    public SelfAttention {
      parts = List.copyOf(parts);
    }

    /** On patches alone. */
    public SelfAttention(Part part, Axis axis, QkNorm qkNorm, boolean rotary) {
      this(List.of(part), axis, qkNorm, rotary, 1);
    }
  }

  /**
   * One stream of a self-attention: a joint projection {@code qkv} [3C, C], norms {@code q_norm} and {@code k_norm}, and an
   * output projection {@code proj}.
   *
   * @param gate null for a plain sum
   */
  record Part(Stream stream, String name, Input input, @Nullable Gate gate) {}

  /** What a branch reads of the residual stream. */
  sealed interface Input {
    /** Normalised and modulated. */
    record Modulated(Modulation modulation) implements Input {}

    /**
     * As it is.
     *
     * @param position added to this branch's input only, or null
     */
    record Plain(@Nullable Position position) implements Input {}
  }

  /**
   * Attention from every patch to the text: {@code q_linear}, {@code kv_linear} [2C, text width], {@code proj}.
   *
   * @param gate null for a plain sum
   */
  record CrossAttention(String name, Input input, @Nullable Gate gate) implements Op {}

  /** Modulated and gated {@code fc2(gelu(fc1(x)))}. */
  record Mlp(Stream stream, String name, int hidden, Modulation modulation, Gate gate)
      implements Op {}

  /**
   * Attention over text and patches and an MLP beside each other, both reading the same modulated tokens and written by one
   * projection {@code linear2} [C, C + hidden] of the attention's result and the MLP's hidden layer (arXiv 2302.05442); {@code
   * qkv} [3C, C] and {@code mlp_in} [hidden, C] read.
   */
  record ParallelAttention(String name, int hidden, Modulation modulation) implements Op {}

  /** Adds positions to the patches. */
  record AddPosition(Position position) implements Op {}
}
