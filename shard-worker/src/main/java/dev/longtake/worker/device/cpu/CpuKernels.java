package dev.longtake.worker.device.cpu;

import dev.longtake.worker.device.Activation;
import dev.longtake.worker.device.Checks;
import dev.longtake.worker.device.DeviceTurns;
import dev.longtake.worker.device.DeviceTurns.Turn;
import dev.longtake.worker.device.Kernels;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.device.PackedLinear;
import dev.longtake.worker.device.PatchOrder;
import dev.longtake.worker.device.Patching;
import dev.longtake.worker.device.Rotation;
import dev.longtake.worker.device.RowVectors;
import dev.longtake.worker.device.Sequences;
import dev.longtake.worker.device.Term;
import dev.longtake.worker.device.TokenReduction;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The processor's kernels on some of the device's threads. A kernel has finished when it returns. Two calls at the same time are an
 * {@link IllegalStateException}. Wrong shapes, dtypes and overlapping views are an {@link IllegalArgumentException}. Heads have up to 256
 * channels.
 */
class CpuKernels implements Kernels {
  private final CpuMemory memory;
  private final Threads threads;
  private final Linear linear;
  private final Scratch scratch;
  private final DeviceTurns turns = new DeviceTurns();

  /** Memory on the Java heap, one of each for every thread of the device. */
  record Scratch(Attention.Scratch[] attention, Normalisation.Scratch[] norms) {
    static Scratch of(int threads) {
      return new Scratch(
          Stream.generate(Attention.Scratch::new).limit(threads).toArray(Attention.Scratch[]::new),
          Stream.generate(Normalisation.Scratch::new)
              .limit(threads)
              .toArray(Normalisation.Scratch[]::new));
    }
  }

  /** Kernels on some threads. */
  CpuKernels(CpuMemory memory, Threads threads, Products products, Scratch scratch) {
    this.memory = memory;
    this.threads = threads;
    this.linear = new Linear(products, threads);
    this.scratch = scratch;
  }

  /** One call at a time. */
  final DeviceTurns turns() {
    return turns;
  }

  final View view(Matrix matrix) {
    return View.of(memory, matrix);
  }

  private CpuPackedLinear own(PackedLinear layer) {
    if (!(layer instanceof CpuPackedLinear packed) || packed.buffer().memory() != memory) {
      throw Checks.refused("a layer of this device", layer.getClass().getSimpleName());
    }
    packed.buffer().segment(); // refuses a closed layer
    return packed;
  }

  @Override
  public void linear(PackedLinear layer, Matrix in, Matrix out, Activation activation) {
    try (Turn _ = turns.take()) {
      CpuPackedLinear packed = own(layer);
      Checks.linear(layer, in, out);
      linear.linear(packed, view(in), view(out), activation);
    }
  }

  @Override
  public void linearResidual(
      PackedLinear layer, Matrix in, Matrix residual, @Nullable RowVectors gate) {
    try (Turn _ = turns.take()) {
      CpuPackedLinear packed = own(layer);
      Checks.linearResidual(layer, in, residual, gate);
      View gates = gate == null ? null : view(gate.table());
      linear.linearResidual(packed, view(in), view(residual), gates, gate);
    }
  }

  @Override
  public void modulate(Matrix in, Matrix out, RowVectors shift, RowVectors scale, float epsilon) {
    try (Turn _ = turns.take()) {
      Checks.modulate(in, out, shift, scale);
      Normalisation.modulate(
          threads, view(in), view(out), view(shift.table()), view(scale.table()), shift, epsilon);
    }
  }

  @Override
  public void normRotate(
      Matrix x, int heads, @Nullable Matrix weight, float epsilon, @Nullable Rotation rotation) {
    try (Turn _ = turns.take()) {
      Checks.normRotate(x, heads, weight, rotation);
      Normalisation.Angles angles = rotation == null ? null : angles(rotation);
      View weights = weight == null ? null : view(weight);
      Normalisation.normRotate(threads, scratch.norms(), view(x), heads, weights, epsilon, angles);
    }
  }

  private Normalisation.Angles angles(Rotation rotation) {
    return new Normalisation.Angles(
        view(rotation.cosines()),
        view(rotation.sines()),
        rotation.rowsPerPosition(),
        rotation.pairing());
  }

  @Override
  public void attention(
      Matrix query,
      Matrix key,
      Matrix value,
      Matrix out,
      int heads,
      Sequences queries,
      Sequences keys,
      float scale) {
    try (Turn _ = turns.take()) {
      Checks.attention(query, key, value, out, heads, queries, keys);
      Attention.run(
          threads,
          scratch.attention(),
          heads,
          new Attention(
              view(query), view(key), view(value), view(out), heads, queries, keys, scale));
    }
  }

  @Override
  public void addRows(Matrix x, Matrix table, int rowsPerTableRow) {
    try (Turn _ = turns.take()) {
      Checks.addRows(x, table, rowsPerTableRow);
      Elementwise.addRows(threads, view(x), view(table), rowsPerTableRow);
    }
  }

  @Override
  public void activate(Matrix in, Matrix out, Activation activation) {
    try (Turn _ = turns.take()) {
      Checks.activate(in, out);
      Elementwise.activate(threads, view(in), view(out), activation);
    }
  }

  @Override
  public void patchify(Matrix latents, Matrix out, int channels, Patching patching) {
    try (Turn _ = turns.take()) {
      Checks.patchify(latents, out, channels, patching);
      Patches.patchify(threads, view(latents), view(out), channels, patching);
    }
  }

  @Override
  public void unpatchify(
      Matrix patches, Matrix latents, int channels, Patching patching, PatchOrder order) {
    try (Turn _ = turns.take()) {
      Checks.unpatchify(patches, latents, channels, patching);
      Patches.unpatchify(threads, view(patches), view(latents), channels, patching, order);
    }
  }

  @Override
  public void reduceTokens(Matrix in, Matrix out, TokenReduction reduction) {
    try (Turn _ = turns.take()) {
      Checks.reduceTokens(in, out, reduction);
      new Reduction(
              view(in),
              view(out),
              reduction,
              view(reduction.kernel()),
              view(reduction.bias()),
              view(reduction.normWeight()),
              view(reduction.normBias()))
          .run(threads);
    }
  }

  @Override
  public void combine(Matrix out, List<Term> terms) {
    try (Turn _ = turns.take()) {
      Checks.combine(out, terms);
      float[][] coefficients = terms.stream().map(Term::coefficients).toArray(float[][]::new);
      View[] values = terms.stream().map(term -> view(term.values())).toArray(View[]::new);
      Elementwise.combine(threads, view(out), values, coefficients);
    }
  }

  @Override
  public void addLearnedNoise(
      Matrix target, Matrix variance, Matrix noise, float minLog, float maxLog) {
    try (Turn _ = turns.take()) {
      Checks.addLearnedNoise(target, variance, noise);
      Elementwise.addLearnedNoise(
          threads, view(target), view(variance), view(noise), minLog, maxLog);
    }
  }

  @Override
  public void noise(Matrix out, long seed, long stream, long firstElement) {
    try (Turn _ = turns.take()) {
      Checks.noise(out, firstElement);
      Elementwise.noise(threads, view(out), seed, stream, firstElement);
    }
  }

  @Override
  public void copy(Matrix source, Matrix target) {
    try (Turn _ = turns.take()) {
      Checks.copy(source, target);
      Elementwise.copy(threads, view(source), view(target));
    }
  }
}
