package dev.longtake.worker.device.cpu;

import dev.longtake.common.tensor.DType;
import dev.longtake.worker.device.Activation;
import dev.longtake.worker.device.Checks;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.DeviceMemory;
import dev.longtake.worker.device.DeviceTurns;
import dev.longtake.worker.device.DeviceTurns.Turn;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.device.PackedLinear;
import dev.longtake.worker.device.PatchOrder;
import dev.longtake.worker.device.Patching;
import dev.longtake.worker.device.Rotation;
import dev.longtake.worker.device.RowVectors;
import dev.longtake.worker.device.Sequences;
import dev.longtake.worker.device.Term;
import dev.longtake.worker.device.TokenReduction;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The processor. Kernels run on the calling thread and {@code threads - 1} threads of the device; a kernel has finished when
 * it returns. Two calls at the same time, {@link #pack} and {@link #close} included, are an {@link IllegalStateException}.
 *
 * <p>Wrong shapes, dtypes and overlapping views are an {@link IllegalArgumentException}. Heads have up to 256 channels.
 *
 * <p>Matrix products need scratch memory of a tile of rows per thread, which grows when a layer is packed and counts under the tag
 * {@code "scratch"}; all other kernels use a fixed amount per thread on the Java heap,
 * {@link #reduceTokens} a copy of its kernel too.
 */
public final class CpuDevice implements Device {
  private final CpuMemory memory;
  private final Workers workers;
  private final ProcessorUse use;
  private final Products products;
  private final Linear linear;
  private final Attention.Scratch[] attentionScratch;
  private final Normalisation.Scratch[] normScratch;
  private final DeviceTurns turns = new DeviceTurns();

  private CpuDevice(int threads, long memoryLimitBytes, ProductsKind kind) {
    memory = new CpuMemory(memoryLimitBytes);
    workers = new Workers(threads);
    use = new ProcessorUse(threads);
    products = kind.open(memory, workers);
    linear = new Linear(products);
    attentionScratch = new Attention.Scratch[threads];
    Arrays.setAll(attentionScratch, i -> new Attention.Scratch());
    normScratch = new Normalisation.Scratch[threads];
    Arrays.setAll(normScratch, i -> new Normalisation.Scratch());
  }

  /**
   * Opens the device.
   *
   * @param threads threads that compute, the caller's among them; 1 starts none
   * @param memoryLimitBytes what {@link #memory()} hands out at most
   */
  public static CpuDevice open(int threads, long memoryLimitBytes) {
    return open(threads, memoryLimitBytes, ProductsKind.ofProcessor());
  }

  /** Opens the device with products that may not be those of the processor. */
  static CpuDevice open(int threads, long memoryLimitBytes, ProductsKind kind) {
    return new CpuDevice(threads, memoryLimitBytes, kind);
  }

  @Override
  public String name() {
    return "cpu";
  }

  @Override
  public int threads() {
    return workers.count();
  }

  @Override
  public String detail() {
    return "%s, %d of %d processors, %d-bit vectors, products by %s, bfloat16 %s"
        .formatted(
            System.getProperty("os.arch"),
            workers.count(),
            Runtime.getRuntime().availableProcessors(),
            Lanes.FLOATS.vectorBitSize(),
            products.name(),
            supports(DType.BF16) ? "yes" : "no");
  }

  @Override
  public DeviceMemory memory() {
    return memory;
  }

  @Override
  public double utilization() {
    return use.sinceLastCall();
  }

  @Override
  public boolean supports(DType inputType) {
    return products.supports(inputType);
  }

  private View view(Matrix matrix) {
    return View.of(memory, matrix);
  }

  @Override
  public void upload(MemorySegment source, Matrix target) {
    transfer("source", source, target, /* upload= */ true);
  }

  @Override
  public void download(Matrix source, MemorySegment target) {
    transfer("target", target, source, /* upload= */ false);
  }

  private void transfer(String name, MemorySegment host, Matrix matrix, boolean upload) {
    Checks.transfer(name, host, matrix);
    try (Turn _ = turns.take()) {
      View own = view(matrix);
      long rowBytes = (long) own.columns() * own.elementBytes();
      View dense = new View(host, 0, rowBytes, own.rows(), own.columns(), own.bfloat());
      // On this thread: host memory may be confined to it.
      if (upload) {
        Elementwise.copyRows(dense, own, 0, own.rows());
      } else {
        Elementwise.copyRows(own, dense, 0, own.rows());
      }
    }
  }

  @Override
  public PackedLinear pack(
      MemorySegment weight,
      DType weightType,
      @Nullable MemorySegment bias,
      int outputColumns,
      int inputColumns,
      DType inputType) {
    Checks.pack(weight, weightType, bias, outputColumns, inputColumns, inputType, this);
    try (Turn _ = turns.take()) {
      return products.pack(
          anyThreads(weight), weightType, bias, outputColumns, inputColumns, inputType);
    }
  }

  /** The same memory for all threads of the device: the caller's may be confined to its own, which waits for them. */
  @SuppressWarnings("restricted") // the size is the segment's own
  private static MemorySegment anyThreads(MemorySegment segment) {
    return segment.isNative()
        ? MemorySegment.ofAddress(segment.address()).reinterpret(segment.byteSize())
        : segment;
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
          workers, view(in), view(out), view(shift.table()), view(scale.table()), shift, epsilon);
    }
  }

  @Override
  public void normRotate(
      Matrix x, int heads, @Nullable Matrix weight, float epsilon, @Nullable Rotation rotation) {
    try (Turn _ = turns.take()) {
      Checks.normRotate(x, heads, weight, rotation);
      Normalisation.Angles angles = rotation == null ? null : angles(rotation);
      View weights = weight == null ? null : view(weight);
      Normalisation.normRotate(workers, normScratch, view(x), heads, weights, epsilon, angles);
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
          workers,
          attentionScratch,
          heads,
          new Attention(
              view(query), view(key), view(value), view(out), heads, queries, keys, scale));
    }
  }

  @Override
  public void addRows(Matrix x, Matrix table, int rowsPerTableRow) {
    try (Turn _ = turns.take()) {
      Checks.addRows(x, table, rowsPerTableRow);
      Elementwise.addRows(workers, view(x), view(table), rowsPerTableRow);
    }
  }

  @Override
  public void activate(Matrix in, Matrix out, Activation activation) {
    try (Turn _ = turns.take()) {
      Checks.activate(in, out);
      Elementwise.activate(workers, view(in), view(out), activation);
    }
  }

  @Override
  public void patchify(Matrix latents, Matrix out, int channels, Patching patching) {
    try (Turn _ = turns.take()) {
      Checks.patchify(latents, out, channels, patching);
      Patches.patchify(workers, view(latents), view(out), channels, patching);
    }
  }

  @Override
  public void unpatchify(
      Matrix patches, Matrix latents, int channels, Patching patching, PatchOrder order) {
    try (Turn _ = turns.take()) {
      Checks.unpatchify(patches, latents, channels, patching);
      Patches.unpatchify(workers, view(patches), view(latents), channels, patching, order);
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
          .run(workers);
    }
  }

  @Override
  public void combine(Matrix out, List<Term> terms) {
    try (Turn _ = turns.take()) {
      Checks.combine(out, terms);
      float[][] coefficients = terms.stream().map(Term::coefficients).toArray(float[][]::new);
      View[] values = terms.stream().map(term -> view(term.values())).toArray(View[]::new);
      Elementwise.combine(workers, view(out), values, coefficients);
    }
  }

  @Override
  public void addLearnedNoise(
      Matrix target, Matrix variance, Matrix noise, float minLog, float maxLog) {
    try (Turn _ = turns.take()) {
      Checks.addLearnedNoise(target, variance, noise);
      Elementwise.addLearnedNoise(
          workers, view(target), view(variance), view(noise), minLog, maxLog);
    }
  }

  @Override
  public void noise(Matrix out, long seed, long stream, long firstElement) {
    try (Turn _ = turns.take()) {
      Checks.noise(out, firstElement);
      Elementwise.noise(workers, view(out), seed, stream, firstElement);
    }
  }

  @Override
  public void copy(Matrix source, Matrix target) {
    try (Turn _ = turns.take()) {
      Checks.copy(source, target);
      Elementwise.copy(workers, view(source), view(target));
    }
  }

  /**
   * Ends the threads and frees everything.
   *
   * @throws IllegalStateException when buffers or packed layers were still open; they are freed all the same
   */
  @Override
  public void close() {
    turns.close(() -> {
      workers.close();
      products.close();
      memory.close();
    });
  }
}
