package dev.longtake.worker.device.cpu;

import dev.longtake.common.tensor.DType;
import dev.longtake.worker.device.Activation;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.DeviceMemory;
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
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * The processor. Kernels run on the calling thread and {@code threads - 1} threads of the device; a kernel has finished when
 * it returns. Two calls at the same time, {@link #pack} and {@link #close} included, are an {@link IllegalStateException}.
 *
 * <p>Wrong shapes, dtypes and overlapping views are an {@link IllegalArgumentException}. Heads have up to 256 channels.
 *
 * <p>Matrix products need scratch memory of 64 rows per thread, which grows when a layer is packed and counts under the tag
 * {@code "scratch"}; all other kernels use a fixed amount per thread on the Java heap,
 * {@link #reduceTokens} a copy of its kernel too.
 */
public final class CpuDevice implements Device {
  private final CpuMemory memory;
  private final Workers workers;
  private final Linear linear;
  private final Attention.Scratch[] attentionScratch;
  private final Normalisation.Scratch[] normScratch;
  private final AtomicBoolean busy = new AtomicBoolean();
  private boolean closed; // only read and written while busy

  private CpuDevice(int threads, long memoryLimitBytes) {
    memory = new CpuMemory(memoryLimitBytes);
    workers = new Workers(threads);
    linear = new Linear(memory, workers);
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
    return new CpuDevice(threads, memoryLimitBytes);
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
    return "%s, %d of %d processors, %d-bit vectors, bfloat16 %s"
        .formatted(
            System.getProperty("os.arch"),
            workers.count(),
            Runtime.getRuntime().availableProcessors(),
            Lanes.FLOATS.vectorBitSize(),
            Dnnl.hasBfloat16() ? "yes" : "no");
  }

  @Override
  public DeviceMemory memory() {
    return memory;
  }

  @Override
  public boolean supports(DType inputType) {
    return inputType == DType.F32 || (inputType == DType.BF16 && Dnnl.hasBfloat16());
  }

  /** One kernel at a time: takes the device in its constructor and gives it back when closed. */
  private Turn turn() {
    if (!busy.compareAndSet(false, true)) {
      throw new IllegalStateException(
          "Expected one call at a time, but another thread is in a kernel of this device");
    }
    if (closed) {
      busy.set(false);
      throw new IllegalStateException("Expected an open device, but this one was closed");
    }
    return () -> busy.set(false);
  }

  @FunctionalInterface
  private interface Turn extends AutoCloseable {
    @Override
    void close();
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
    Checks.room(name, host, (long) matrix.rows() * matrix.columns() * matrix.dtype().sizeBytes());
    try (Turn _ = turn()) {
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
    Checks.atLeast("output columns", 1, outputColumns);
    Checks.atLeast("input columns", 1, inputColumns);
    if (weightType != DType.F32 && weightType != DType.BF16) {
      throw Checks.refused("weights in F32 or BF16", weightType);
    }
    Checks.room("weight", weight, (long) outputColumns * inputColumns * weightType.sizeBytes());
    if (bias != null) {
      Checks.room("bias", bias, (long) outputColumns * Float.BYTES);
    }
    if (!supports(inputType)) {
      throw Checks.refused("F32, or BF16 where the processor has it", inputType);
    }
    try (Turn _ = turn()) {
      return linear.pack(
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

  private CpuPackedLinear own(PackedLinear layer, Matrix in) {
    if (!(layer instanceof CpuPackedLinear packed) || packed.buffer().memory() != memory) {
      throw Checks.refused("a layer of this device", layer.getClass().getSimpleName());
    }
    Checks.dtype("input", in, layer.inputType());
    Checks.equal("input columns", layer.inputColumns(), in.columns());
    packed.buffer().segment(); // refuses a closed layer
    return packed;
  }

  @Override
  public void linear(PackedLinear layer, Matrix in, Matrix out, Activation activation) {
    try (Turn _ = turn()) {
      CpuPackedLinear packed = own(layer, in);
      Checks.shape("output", out, in.rows(), layer.outputColumns());
      Checks.apart("input", in, "output", out);
      linear.linear(packed, view(in), view(out), activation);
    }
  }

  @Override
  public void linearResidual(
      PackedLinear layer, Matrix in, Matrix residual, @Nullable RowVectors gate) {
    try (Turn _ = turn()) {
      CpuPackedLinear packed = own(layer, in);
      Checks.f32("residual", residual);
      Checks.shape("residual", residual, in.rows(), layer.outputColumns());
      Checks.apart("input", in, "residual", residual);
      if (gate != null) {
        Checks.vectors("gate", gate, in.rows(), layer.outputColumns(), /* optional= */ false);
        Checks.apart("gate", gate.table(), "residual", residual);
      }
      View gates = gate == null ? null : view(gate.table());
      linear.linearResidual(packed, view(in), view(residual), gates, gate);
    }
  }

  @Override
  public void modulate(Matrix in, Matrix out, RowVectors shift, RowVectors scale, float epsilon) {
    try (Turn _ = turn()) {
      Checks.f32("input", in);
      Checks.shape("output", out, in.rows(), in.columns());
      Checks.sameOrApart("input", in, "output", out);
      Checks.vectors("shift", shift, in.rows(), in.columns(), /* optional= */ true);
      Checks.vectors("scale", scale, in.rows(), in.columns(), /* optional= */ true);
      Checks.apart("shift", shift.table(), "output", out);
      Checks.apart("scale", scale.table(), "output", out);
      if (shift.rowsPerGroup() != scale.rowsPerGroup()
          || !Arrays.equals(shift.vectorOfGroup(), scale.vectorOfGroup())) {
        throw Checks.refused("the same groups for shift and scale", "others");
      }
      Normalisation.modulate(
          workers, view(in), view(out), view(shift.table()), view(scale.table()), shift, epsilon);
    }
  }

  @Override
  public void normRotate(
      Matrix x, int heads, @Nullable Matrix weight, float epsilon, @Nullable Rotation rotation) {
    try (Turn _ = turn()) {
      Checks.f32("x", x);
      int dimension = Checks.dimension(x, heads, Normalisation.MAX_DIMENSION);
      if (weight != null) {
        Checks.f32("weight", weight);
        Checks.shape("weight", weight, 1, dimension);
      }
      Normalisation.Angles angles = rotation == null ? null : angles(rotation, dimension);
      View weights = weight == null ? null : view(weight);
      Normalisation.normRotate(workers, normScratch, view(x), heads, weights, epsilon, angles);
    }
  }

  private Normalisation.Angles angles(Rotation rotation, int dimension) {
    Matrix cosines = rotation.cosines();
    Matrix sines = rotation.sines();
    Checks.f32("cosines", cosines);
    Checks.f32("sines", sines);
    Checks.equal("head dimension", 2L * cosines.columns(), dimension);
    Checks.shape("sines", sines, cosines.rows(), cosines.columns());
    Checks.atLeast("positions", 1, cosines.rows());
    Checks.atLeast("rows per position", 1, rotation.rowsPerPosition());
    return new Normalisation.Angles(
        view(cosines), view(sines), rotation.rowsPerPosition(), rotation.pairing());
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
    try (Turn _ = turn()) {
      Checks.dimension(query, heads, Attention.MAX_DIMENSION);
      Checks.f32("query", query);
      Checks.f32("key", key);
      Checks.f32("value", value);
      Checks.equal("key columns", query.columns(), key.columns());
      Checks.shape("value", value, key.rows(), query.columns());
      Checks.shape("output", out, query.rows(), query.columns());
      Checks.apart("query", query, "output", out);
      Checks.apart("key", key, "output", out);
      Checks.apart("value", value, "output", out);
      Checks.equal("key sequences", queries.count(), keys.count());
      Checks.sequences("queries", queries, query.rows());
      Checks.sequences("keys", keys, key.rows());
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
    try (Turn _ = turn()) {
      Checks.f32("x", x);
      Checks.f32("table", table);
      Checks.equal("table columns", x.columns(), table.columns());
      Checks.atLeast("table rows", 1, table.rows());
      Checks.atLeast("rows per table row", 1, rowsPerTableRow);
      Checks.apart("x", x, "table", table);
      Elementwise.addRows(workers, view(x), view(table), rowsPerTableRow);
    }
  }

  @Override
  public void activate(Matrix in, Matrix out, Activation activation) {
    try (Turn _ = turn()) {
      Checks.shape("output", out, in.rows(), in.columns());
      Checks.sameOrApart("input", in, "output", out);
      Elementwise.activate(workers, view(in), view(out), activation);
    }
  }

  @Override
  public void patchify(Matrix latents, Matrix out, int channels, Patching patching) {
    try (Turn _ = turn()) {
      Checks.patching(latents, out, channels, patching);
      Patches.patchify(workers, view(latents), view(out), channels, patching);
    }
  }

  @Override
  public void unpatchify(
      Matrix patches, Matrix latents, int channels, Patching patching, PatchOrder order) {
    try (Turn _ = turn()) {
      Checks.f32("patches", patches);
      Checks.patching(latents, patches, channels, patching);
      Patches.unpatchify(workers, view(patches), view(latents), channels, patching, order);
    }
  }

  @Override
  public void reduceTokens(Matrix in, Matrix out, TokenReduction reduction) {
    try (Turn _ = turn()) {
      Checks.reduction(in, out, reduction);
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
    try (Turn _ = turn()) {
      Checks.f32("output", out);
      Checks.atLeast("terms", 1, terms.size());
      for (Term term : terms) {
        Checks.f32("term", term.values());
        Checks.shape("term", term.values(), out.rows(), out.columns());
        Checks.sameOrApart("term", term.values(), "output", out);
        if (term.coefficients().length != 1) {
          Checks.equal("term's coefficients, 1 or", out.rows(), term.coefficients().length);
        }
      }
      float[][] coefficients = terms.stream().map(Term::coefficients).toArray(float[][]::new);
      View[] values = terms.stream().map(term -> view(term.values())).toArray(View[]::new);
      Elementwise.combine(workers, view(out), values, coefficients);
    }
  }

  @Override
  public void addLearnedNoise(
      Matrix target, Matrix variance, Matrix noise, float minLog, float maxLog) {
    try (Turn _ = turn()) {
      Checks.f32("target", target);
      for (Matrix other : new Matrix[] {variance, noise}) {
        Checks.f32("variance and noise", other);
        Checks.shape("variance and noise", other, target.rows(), target.columns());
        Checks.apart("variance or noise", other, "target", target);
      }
      Elementwise.addLearnedNoise(
          workers, view(target), view(variance), view(noise), minLog, maxLog);
    }
  }

  @Override
  public void noise(Matrix out, long seed, long stream, long firstElement) {
    try (Turn _ = turn()) {
      Checks.f32("output", out);
      Checks.atLeast("first element", 0, firstElement);
      Elementwise.noise(workers, view(out), seed, stream, firstElement);
    }
  }

  @Override
  public void copy(Matrix source, Matrix target) {
    try (Turn _ = turn()) {
      Checks.dtype("target", target, source.dtype());
      Checks.shape("target", target, source.rows(), source.columns());
      Checks.sameOrApart("source", source, "target", target);
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
    if (!busy.compareAndSet(false, true)) {
      throw new IllegalStateException(
          "Expected no kernel at close, but another thread is in one of this device");
    }
    try {
      if (!closed) {
        closed = true;
        workers.close();
        linear.close();
        memory.close();
      }
    } finally {
      busy.set(false);
    }
  }
}
