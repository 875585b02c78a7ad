package dev.longtake.worker.device.cuda;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.partition.Grain;
import dev.longtake.common.tensor.DType;
import dev.longtake.worker.device.Activation;
import dev.longtake.worker.device.Checks;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.DeviceChoice;
import dev.longtake.worker.device.DeviceMemory;
import dev.longtake.worker.device.DeviceTurns;
import dev.longtake.worker.device.DeviceTurns.Turn;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.device.PackedLinear;
import dev.longtake.worker.device.Pairing;
import dev.longtake.worker.device.PatchOrder;
import dev.longtake.worker.device.Patching;
import dev.longtake.worker.device.Rotation;
import dev.longtake.worker.device.RowVectors;
import dev.longtake.worker.device.Sequences;
import dev.longtake.worker.device.Term;
import dev.longtake.worker.device.TokenReduction;
import dev.longtake.worker.device.cuda.driver.CudaDriver;
import dev.longtake.worker.device.cuda.driver.Nvml;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A GPU. Kernels run in the order of the calls, later than these return; {@link #download} waits for them. Two calls at the same
 * time, {@link #pack} and {@link #close} included, are an {@link IllegalStateException}; wrong shapes, dtypes and overlapping views
 * an {@link IllegalArgumentException}; a failure of the GPU a {@link LongtakeException} with CUDA's name of the error: after a DEVICE_LOST
 * every call fails with the same.
 *
 * <p>Products of bfloat16 run on the tensor cores, those of float32 never do. Attention rounds q, k, v and the probabilities to
 * bfloat16 where its result is bfloat16 and the head has 32, 48, 64, 72, 80, 96 or 128 channels.
 */
public final class CudaDevice implements Device {
  private final CudaDriver driver;
  private final Optional<Nvml> management;
  private final CudaMemory memory;
  private final Launcher launcher;
  private final Products products;
  private final CudaAttention attention;
  private final DeviceTurns turns = new DeviceTurns();

  /** Of the GPU's free memory, what is left to the driver: one part in so many. */
  private static final int SPARE_PART = 16;

  /** Several waves of tiles on all multiprocessors of the largest GPUs, by their numbers; not measured. */
  public static final Grain GRAIN = new Grain(/* strands= */ 1, /* rows= */ 1 << 14);

  /** Owns the driver. */
  private CudaDevice(CudaDriver driver, long memoryLimitBytes) {
    this.driver = driver;
    management = Nvml.of(driver.uuid());
    memory = new CudaMemory(driver, memoryLimitBytes);
    launcher = new Launcher(driver, memory);
    products = new Products(memory, driver, launcher);
    attention = new CudaAttention(launcher);
  }

  /**
   * Opens a GPU.
   *
   * @param memoryLimitBytes what {@link #memory()} hands out at most; null for what is free now, but for a sixteenth
   * @throws LongtakeException INVALID_REQUEST where the build has no kernels, or there is no driver or no such GPU, or it is in use by
   *     another process alone, or it or the driver is too old; OUT_OF_MEMORY
   */
  public static CudaDevice open(DeviceChoice.Cuda choice, @Nullable Long memoryLimitBytes) {
    return open(choice, KernelBinary.load(), memoryLimitBytes);
  }

  /** As the other one, with kernels that are given. */
  static CudaDevice open(
      DeviceChoice.Cuda choice, byte[] kernels, @Nullable Long memoryLimitBytes) {
    CudaDriver driver = CudaDriver.open(choice, kernels);
    try {
      long limitBytes = memoryLimitBytes == null ? usable(driver.freeBytes()) : memoryLimitBytes;
      return new CudaDevice(driver, limitBytes);
    } catch (Throwable e) {
      driver.close();
      throw e;
    }
  }

  private static long usable(long freeBytes) {
    return Math.max(1, freeBytes - freeBytes / SPARE_PART);
  }

  @Override
  public String name() {
    return "cuda";
  }

  @Override
  public String detail() {
    return driver.detail();
  }

  @Override
  public String uuid() {
    return driver.uuid();
  }

  /** The GPU's multiprocessors. */
  @Override
  public int threads() {
    return driver.multiprocessors();
  }

  @Override
  public Grain grain() {
    return GRAIN;
  }

  @Override
  public DeviceMemory memory() {
    return memory;
  }

  @Override
  public double utilization() {
    return management.map(Nvml::utilization).orElse(Double.NaN);
  }

  @Override
  public boolean supports(DType inputType) {
    return inputType == DType.F32 || inputType == DType.BF16;
  }

  private CudaView view(Matrix matrix) {
    return CudaView.of(memory, matrix);
  }

  private Arguments views(Matrix... matrices) {
    Arguments arguments = launcher.arguments();
    for (Matrix matrix : matrices) {
      arguments.views(view(matrix));
    }
    return arguments;
  }

  @Override
  public void finish() {
    try (Turn _ = turns.take()) {
      driver.synchronize();
    }
  }

  @Override
  public void upload(MemorySegment source, Matrix target) {
    Checks.transfer("source", source, target);
    try (Turn _ = turns.take()) {
      CudaView own = view(target);
      if (hasElements(target)) {
        driver.upload(source, own.address(), own.pitchBytes(), own.rowBytes(), own.rows());
      }
    }
  }

  @Override
  public void download(Matrix source, MemorySegment target) {
    Checks.transfer("target", target, source);
    try (Turn _ = turns.take()) {
      CudaView own = view(source);
      if (hasElements(source)) {
        driver.download(own.address(), own.pitchBytes(), target, own.rowBytes(), own.rows());
      }
    }
  }

  private static boolean hasElements(Matrix matrix) {
    return matrix.rows() > 0 && matrix.columns() > 0;
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
      return products.pack(weight, weightType, bias, outputColumns, inputColumns, inputType);
    }
  }

  private CudaPackedLinear own(PackedLinear layer) {
    if (!(layer instanceof CudaPackedLinear packed) || packed.buffer().memory() != memory) {
      throw Checks.refused("a layer of this device", layer.getClass().getSimpleName());
    }
    packed.buffer().address(); // refuses a closed layer
    return packed;
  }

  @Override
  public void linear(PackedLinear layer, Matrix in, Matrix out, Activation activation) {
    try (Turn _ = turns.take()) {
      CudaPackedLinear packed = own(layer);
      Checks.linear(layer, in, out);
      products.linear(packed, view(in), view(out), activation);
    }
  }

  @Override
  public void linearResidual(
      PackedLinear layer, Matrix in, Matrix residual, @Nullable RowVectors gate) {
    try (Turn _ = turns.take()) {
      CudaPackedLinear packed = own(layer);
      Checks.linearResidual(layer, in, residual, gate);
      CudaView gates = gate == null ? CudaView.NONE : view(gate.table());
      products.linearResidual(packed, view(in), view(residual), gates, gate);
    }
  }

  @Override
  public void modulate(Matrix in, Matrix out, RowVectors shift, RowVectors scale, float epsilon) {
    try (Turn _ = turns.take()) {
      Checks.modulate(in, out, shift, scale);
      long vectors = launcher.table(shift.vectorOfGroup());
      Arguments arguments =
          views(in, out, shift.table(), scale.table())
              .longs(vectors)
              .ints(shift.rowsPerGroup())
              .floats(epsilon);
      launcher.perWarp("modulate", in.rows(), arguments);
    }
  }

  @Override
  public void normRotate(
      Matrix x, int heads, @Nullable Matrix weight, float epsilon, @Nullable Rotation rotation) {
    try (Turn _ = turns.take()) {
      Checks.normRotate(x, heads, weight, rotation);
      Arguments arguments =
          views(x)
              .ints(heads)
              .longs(weight == null ? 0 : view(weight).address())
              .floats(epsilon)
              .views(
                  rotation == null ? CudaView.NONE : view(rotation.cosines()),
                  rotation == null ? CudaView.NONE : view(rotation.sines()))
              .ints(rotation == null ? 1 : rotation.rowsPerPosition())
              .ints(rotation != null && rotation.pairing() == Pairing.ADJACENT ? 1 : 0);
      launcher.perWarp("normRotate", (long) x.rows() * heads, arguments);
    }
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
      attention.run(view(query), view(key), view(value), view(out), heads, queries, keys, scale);
    }
  }

  @Override
  public void addRows(Matrix x, Matrix table, int rowsPerTableRow) {
    try (Turn _ = turns.take()) {
      Checks.addRows(x, table, rowsPerTableRow);
      launcher.perRow("addRows", x.rows(), x.columns(), views(x, table).ints(rowsPerTableRow));
    }
  }

  @Override
  public void activate(Matrix in, Matrix out, Activation activation) {
    try (Turn _ = turns.take()) {
      Checks.activate(in, out);
      launcher.activate(view(in), view(out), activation);
    }
  }

  @Override
  public void patchify(Matrix latents, Matrix out, int channels, Patching patching) {
    try (Turn _ = turns.take()) {
      Checks.patchify(latents, out, channels, patching);
      Arguments arguments = put(views(latents, out), patching);
      launcher.perRow("patchify", out.rows(), out.columns(), arguments);
    }
  }

  @Override
  public void unpatchify(
      Matrix patches, Matrix latents, int channels, Patching patching, PatchOrder order) {
    try (Turn _ = turns.take()) {
      Checks.unpatchify(patches, latents, channels, patching);
      boolean channelFirst = order == PatchOrder.CHANNEL_FIRST;
      Arguments arguments =
          put(views(patches, latents), patching)
              .ints(channelFirst ? 1 : channels)
              .ints(channelFirst ? patching.patchVolume() : 1);
      launcher.perRow("unpatchify", patches.rows(), patches.columns(), arguments);
    }
  }

  /** The structure {@code Patching} of patch.cu. */
  private static Arguments put(Arguments arguments, Patching p) {
    return arguments
        .next()
        .putInt(p.frames())
        .putInt(p.height())
        .putInt(p.width())
        .putInt(p.patchFrames())
        .putInt(p.patchHeight())
        .putInt(p.patchWidth())
        .putInt(p.gridRows())
        .putInt(p.gridColumns());
  }

  @Override
  public void reduceTokens(Matrix in, Matrix out, TokenReduction reduction) {
    try (Turn _ = turns.take()) {
      Checks.reduceTokens(in, out, reduction);
      Arguments arguments =
          views(
                  in,
                  out,
                  reduction.kernel(),
                  reduction.bias(),
                  reduction.normWeight(),
                  reduction.normBias())
              .ints(reduction.gridRows(), reduction.gridColumns(), reduction.factor())
              .floats(reduction.epsilon());
      launcher.perWarp("reduceTokens", out.rows(), arguments);
    }
  }

  @Override
  public void combine(Matrix out, List<Term> terms) {
    try (Turn _ = turns.take()) {
      Checks.combine(out, terms);
      long words = terms.stream().mapToLong(term -> term.coefficients().length).sum();
      Tables tables = launcher.tables();
      tables.begin(words + (long) terms.size() * TERM_LONGS * 2, terms.size() + 1);
      long[] structures = new long[terms.size() * TERM_LONGS];
      for (int t = 0; t < terms.size(); t++) {
        put(structures, t * TERM_LONGS, terms.get(t), tables);
      }
      long address = tables.put(structures);
      tables.send();
      Arguments arguments = views(out).longs(address).ints(terms.size());
      launcher.perRow("combine", out.rows(), out.columns(), arguments);
    }
  }

  /** Words of 64 bits of the structure {@code Term} of pointwise.cu. */
  private static final int TERM_LONGS = 6;

  private void put(long[] structures, int at, Term term, Tables tables) {
    CudaView values = view(term.values());
    structures[at] = values.address();
    structures[at + 1] = values.stride();
    structures[at + 2] = (long) values.columns() << Integer.SIZE | values.rows();
    // The next word, dtype and padding, is 0: float32.
    structures[at + 4] = tables.put(term.coefficients());
    structures[at + 5] = term.coefficients().length == 1 ? 0 : 1;
  }

  @Override
  public void addLearnedNoise(
      Matrix target, Matrix variance, Matrix noise, float minLog, float maxLog) {
    try (Turn _ = turns.take()) {
      Checks.addLearnedNoise(target, variance, noise);
      Arguments arguments = views(target, variance, noise).floats(minLog, maxLog);
      launcher.perRow("addLearnedNoise", target.rows(), target.columns(), arguments);
    }
  }

  @Override
  public void noise(Matrix out, long seed, long stream, long firstElement) {
    try (Turn _ = turns.take()) {
      Checks.noise(out, firstElement);
      Arguments arguments = views(out).longs(seed, stream, firstElement);
      launcher.perRow("noise", out.rows(), Math.ceilDiv(out.columns(), 4) + 1, arguments);
    }
  }

  @Override
  public void copy(Matrix source, Matrix target) {
    try (Turn _ = turns.take()) {
      Checks.copy(source, target);
      launcher.perRow("copyRows", source.rows(), source.columns(), views(source, target));
    }
  }

  /**
   * Frees everything.
   *
   * @throws IllegalStateException when buffers or packed layers were still open; they are freed all the same
   */
  @Override
  public void close() {
    turns.close(() -> {
      try (CudaDriver _ = driver) {
        launcher.close();
        memory.close();
      }
    });
  }
}
