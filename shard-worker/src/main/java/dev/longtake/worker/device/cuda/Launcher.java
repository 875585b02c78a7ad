package dev.longtake.worker.device.cuda;

import dev.longtake.worker.device.Activation;
import dev.longtake.worker.device.cuda.driver.CudaDriver;

/** Launches kernels in their usual shapes, with reused memory for arguments. For one thread at a time. */
final class Launcher implements AutoCloseable {
  private static final int WARP = 32;

  /** Threads of a block in which each warp has a row. */
  private static final int ROW_WARP_THREADS = 4 * WARP;

  private static final int MAX_ROW_THREADS = 256;

  private final CudaDriver driver;
  private final Tables tables;
  private final Arguments arguments = new Arguments();

  Launcher(CudaDriver driver, CudaMemory memory) {
    this.driver = driver;
    this.tables = new Tables(memory, driver);
  }

  /** For arrays, which must be sent before the launch. */
  Tables tables() {
    return tables;
  }

  /** Sends one array and returns where the kernel finds it. */
  long table(int[] values) {
    tables.begin(values.length, 1);
    long address = tables.put(values);
    tables.send();
    return address;
  }

  /** The next kernel's arguments, none yet. */
  Arguments arguments() {
    return arguments.begin();
  }

  /** Nothing is launched where the grid is empty. */
  void launch(String kernel, int gridX, int gridY, int threads, Arguments values) {
    if (gridX > 0 && gridY > 0) {
      driver.launch(kernel, gridX, gridY, threads, values.pointers());
    }
  }

  /** A block has a row, its threads go over the columns. */
  void perRow(String kernel, int rows, int columns, Arguments values) {
    int threads = Math.min(MAX_ROW_THREADS, Math.ceilDiv(Math.max(1, columns), WARP) * WARP);
    launch(kernel, rows, 1, threads, values);
  }

  /** A warp has a row, or a head of a row. */
  void perWarp(String kernel, long warps, Arguments values) {
    int blocks = Math.toIntExact(Math.ceilDiv(warps * WARP, ROW_WARP_THREADS));
    launch(kernel, blocks, 1, ROW_WARP_THREADS, values);
  }

  /** Activation or cast of rows. */
  void activate(CudaView in, CudaView out, Activation activation) {
    perRow(
        "activate", in.rows(), in.columns(), arguments().views(in, out).ints(number(activation)));
  }

  /** What math.cuh calls it. */
  static int number(Activation activation) {
    return switch (activation) {
      case NONE -> 0;
      case GELU_TANH -> 1;
      case SILU -> 2;
    };
  }

  @Override
  public void close() {
    tables.close();
  }
}
