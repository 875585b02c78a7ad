package dev.longtake.worker.device.cpu;

import dev.longtake.common.partition.Grain;
import dev.longtake.common.tensor.DType;
import dev.longtake.worker.device.Checks;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.DeviceMemory;
import dev.longtake.worker.device.DeviceTurns.Turn;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.device.PackedLinear;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
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
public final class CpuDevice extends CpuKernels implements Device {
  /** About a tile of a product; what a piece of so many rows makes stays in the last cache, or nearly. */
  private static final int STRAND_ROWS = 256;

  private final CpuMemory memory;
  private final Workers workers;
  private final ProcessorUse use;
  private final Products products;
  private final List<CpuKernels> strands = new ArrayList<>();

  private CpuDevice(CpuMemory memory, Workers workers, Products products, Scratch scratch) {
    super(memory, workers, products, scratch);
    this.memory = memory;
    this.workers = workers;
    this.products = products;
    use = new ProcessorUse(workers.count());
    for (int thread = 0; thread < workers.count(); thread++) {
      strands.add(new CpuKernels(memory, Threads.only(thread), products, scratch));
    }
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
    CpuMemory memory = new CpuMemory(memoryLimitBytes);
    Workers workers = new Workers(threads);
    return new CpuDevice(memory, workers, kind.open(memory, workers), Scratch.of(threads));
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

  @Override
  public Grain grain() {
    return grain(strands.size());
  }

  /** That of a device with so many threads. */
  public static Grain grain(int threads) {
    return new Grain(threads, STRAND_ROWS);
  }

  @Override
  public void parallel(int tasks, Task body) {
    try (Turn _ = turns().take()) {
      workers.run(tasks, (thread, task) -> body.run(strands.get(thread), thread, task));
    }
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
    try (Turn _ = turns().take()) {
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
    try (Turn _ = turns().take()) {
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

  /**
   * Ends the threads and frees everything.
   *
   * @throws IllegalStateException when buffers or packed layers were still open; they are freed all the same
   */
  @Override
  public void close() {
    turns()
        .close(() -> {
          workers.close();
          products.close();
          memory.close();
        });
  }
}
