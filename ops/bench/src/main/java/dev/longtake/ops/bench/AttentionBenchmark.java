package dev.longtake.ops.bench;

import com.sun.management.ThreadMXBean;
import dev.longtake.common.tensor.DType;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.DeviceBuffer;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.device.Sequences;
import dev.longtake.worker.device.cpu.CpuDevice;
import java.lang.management.ManagementFactory;
import java.util.List;

/**
 * What attention needs in memory, at the width of Open-Sora 1.2 (16 heads of 72) and two lengths of one sequence: everything on the
 * device, q, k, v and result included, and everything the call allocates on the heap.
 */
final class AttentionBenchmark implements Benchmark {
  private static final int HEADS = 16;
  private static final int HEAD_DIMENSION = 72;
  private static final int TOKENS = 1024;
  private static final int CALLS = 6;
  private static final int MORE_TOKENS = 4 * TOKENS;

  /** q, k, v and the result in float32, and a twentieth for everything else. */
  private static final double BYTES_PER_TOKEN_GOAL = 4 * HEADS * HEAD_DIMENSION * 4 * 1.05;

  /** A materialised score matrix would make this 4. */
  private static final double GROWTH_GOAL = 1.05;

  @Override
  public String name() {
    return "attention";
  }

  @Override
  public String description() {
    return "Memory of one self-attention, %d heads of %d, over %d and %d tokens."
        .formatted(HEADS, HEAD_DIMENSION, TOKENS, MORE_TOKENS);
  }

  @Override
  public List<Figure> run(BenchOptions options) {
    double fewer = bytesPerToken(TOKENS);
    double more = bytesPerToken(MORE_TOKENS);
    return List.of(
        new Figure(
            "attention.bytes_per_token", more, "bytes/token", Goal.atMost(BYTES_PER_TOKEN_GOAL)),
        new Figure(
            "attention.bytes_per_token_growth", more / fewer, "ratio", Goal.atMost(GROWTH_GOAL)));
  }

  private static double bytesPerToken(int tokens) {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    int columns = HEADS * HEAD_DIMENSION;
    try (Device device = CpuDevice.open(/* threads= */ 1, Long.MAX_VALUE);
        DeviceBuffer qkv = device.memory().allocate(3L * tokens * columns * 4, "bench");
        DeviceBuffer result = device.memory().allocate((long) tokens * columns * 4, "bench")) {
      Matrix all = Matrix.dense(qkv, tokens, 3 * columns, DType.F32);
      Matrix out = Matrix.dense(result, tokens, columns, DType.F32);
      device.noise(all, /* seed= */ 1, /* stream= */ 0, /* firstElement= */ 0);
      Sequences sequence = new Sequences(new int[] {0}, new int[] {tokens}, 1);
      // Interpreted code boxes every vector; the least of some calls is what compiled code takes.
      long heap = Long.MAX_VALUE;
      for (int call = 0; call < CALLS; call++) {
        long before = threads.getCurrentThreadAllocatedBytes();
        device.attention(
            all.columns(0, columns),
            all.columns(columns, 2 * columns),
            all.columns(2 * columns, 3 * columns),
            out,
            HEADS,
            sequence,
            sequence,
            (float) (1 / Math.sqrt(HEAD_DIMENSION)));
        heap = Math.min(heap, threads.getCurrentThreadAllocatedBytes() - before);
      }
      return (double) (device.memory().peakBytes() + heap) / tokens;
    }
  }
}
