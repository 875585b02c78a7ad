package dev.longtake.worker.device;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a device computes. Called by one thread at a time; accepts zero rows.
 *
 * <p>Axis letters: N rows (tokens), K and C channels, H heads, D head dimension. All sums are in float32.
 */
public interface Kernels {
  /**
   * {@code out = activation(in * W^T + bias)}.
   *
   * @param in [N, K] of the layer's input type
   * @param out [N, outputColumns], F32 or BF16; not overlapping {@code in}
   */
  void linear(PackedLinear layer, Matrix in, Matrix out, Activation activation);

  /**
   * {@code residual += gate * (in * W^T + bias)}, the gate being a vector per row group or absent.
   *
   * @param residual [N, outputColumns], F32
   * @param gate over outputColumns channels, no group being NONE; null for a plain sum
   */
  void linearResidual(PackedLinear layer, Matrix in, Matrix residual, @Nullable RowVectors gate);

  /**
   * {@code out = layerNorm(in) * (1 + scale) + shift} with {@code layerNorm(x) = (x - mean) / sqrt(variance + epsilon)},
   * no affine part. Groups whose vector is NONE keep what {@code out} held.
   *
   * @param in [N, C] F32
   * @param out [N, C] F32 or BF16; may be {@code in} itself
   * @param shift over C channels
   * @param scale over C channels, with the same groups
   */
  void modulate(Matrix in, Matrix out, RowVectors shift, RowVectors scale, float epsilon);

  /**
   * In place, for each head: {@code x * rsqrt(mean(x^2) + epsilon) * weight} over its D channels where a weight is given,
   * then the rotation where one is given.
   *
   * @param x [N, heads * D] F32
   * @param weight [1, D] F32 or null
   */
  void normRotate(
      Matrix x, int heads, @Nullable Matrix weight, float epsilon, @Nullable Rotation rotation);

  /**
   * {@code softmax(scale * q k^T) v} for each sequence and head. Keys are visited in the order of their index. Needs memory
   * linear in tokens. A sequence without keys gives zeros. Where {@code out} is BF16, a device may round query, key, value and
   * the probabilities to bfloat16 too.
   *
   * @param query [.., heads * D] F32
   * @param key [.., heads * D] F32
   * @param value [.., heads * D] F32
   * @param out like query, F32 or BF16
   * @param queries rows of query and out
   * @param keys rows of key and value; as many sequences as {@code queries}
   */
  void attention(
      Matrix query,
      Matrix key,
      Matrix value,
      Matrix out,
      int heads,
      Sequences queries,
      Sequences keys,
      float scale);

  /** {@code x[r] += table[(r / rowsPerTableRow) % table.rows]}; both F32. */
  void addRows(Matrix x, Matrix table, int rowsPerTableRow);

  /** {@code out = activation(in)}, with a cast where the dtypes differ; F32 or BF16, out may be in itself. */
  void activate(Matrix in, Matrix out, Activation activation);

  /**
   * Latents to patch rows: {@code out[(f, i, j)] = the patch's values}, ordered channel, frame, row, column within the
   * patch. Rows are ordered frame, row, column.
   *
   * @param latents [channels * frames, height * width], F32
   * @param out [gridFrames * patchesPerFrame, channels * patchVolume], F32 or BF16
   */
  void patchify(Matrix latents, Matrix out, int channels, Patching patching);

  /**
   * The way back.
   *
   * @param patches [gridFrames * patchesPerFrame, patchVolume * channels], F32
   * @param latents [channels * frames, height * width], F32
   * @param order of the values in a row of patches
   */
  void unpatchify(
      Matrix patches, Matrix latents, int channels, Patching patching, PatchOrder order);

  /**
   * Fewer tokens for the keys and values of attention. Each frame is reduced on its own.
   *
   * @param in [frames * gridRows * gridColumns, C], F32
   * @param out [frames * (gridRows / factor) * (gridColumns / factor), C], F32; not overlapping {@code in}
   */
  void reduceTokens(Matrix in, Matrix out, TokenReduction reduction);

  /**
   * {@code out = sum of coefficient * values}: the terms in their order, each product and each sum rounded to float32. A
   * term is left out of the rows where its coefficient is 0, whatever it holds there, and a row without any term is zero;
   * so a row whose only coefficient is 1 is an exact copy.
   *
   * @param out [N, C] F32; may be the values of a term
   * @param terms at least one, each [N, C]
   */
  void combine(Matrix out, List<Term> terms);

  /**
   * Noise with the learned variance of improved DDPM (arXiv 2102.09672, equation 15): {@code target += exp(logVariance / 2)
   * * noise} with {@code logVariance = f * maxLog + (1 - f) * minLog} and {@code f = (variance + 1) / 2}.
   *
   * @param target [N, C] F32
   * @param variance [N, C] F32, the network's output, about -1 to 1; not overlapping {@code target}
   * @param noise [N, C] F32, not overlapping {@code target}
   * @param minLog logarithm of the least variance, that of the posterior
   * @param maxLog logarithm of the greatest variance, beta
   */
  void addLearnedNoise(Matrix target, Matrix variance, Matrix noise, float minLog, float maxLog);

  /**
   * Normal deviates of the counter-based generator {@link dev.longtake.common.noise.PhiloxNoise}: element (r, c) gets the
   * value with index {@code firstElement + r * columns + c}.
   *
   * @param out F32
   */
  void noise(Matrix out, long seed, long stream, long firstElement);

  /** Copies a block of rows; same dtype and shape, any strides. */
  void copy(Matrix source, Matrix target);
}
