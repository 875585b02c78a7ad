package dev.longtake.worker.device.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.management.ThreadMXBean;
import dev.longtake.common.tensor.DType;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.DeviceBuffer;
import dev.longtake.worker.device.DeviceContract;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.device.Sequences;
import java.lang.management.ManagementFactory;
import org.junit.jupiter.api.Test;

final class CpuDeviceTest extends DeviceContract {
  @Override
  protected Device open(int threads, long memoryLimitBytes) {
    return CpuDevice.open(threads, memoryLimitBytes);
  }

  @Test
  void shouldStartNoThreadWhenOpenedWithOne() {
    long before = deviceThreads();
    try (Device one = CpuDevice.open(1, 1 << 20)) {
      assertThat(deviceThreads()).isEqualTo(before);
      assertThat(one.detail()).contains("1 of ");
    }
    try (Device three = CpuDevice.open(3, 1 << 20)) {
      assertThat(deviceThreads()).isEqualTo(before + 2);
      assertThat(three.name()).isEqualTo("cpu");
    }
    assertThat(deviceThreads()).isEqualTo(before);
  }

  private static long deviceThreads() {
    return Thread.getAllStackTraces().keySet().stream()
        .filter(thread -> thread.isAlive() && thread.getName().startsWith("lt-cpu-"))
        .count();
  }

  private static final long LEAST_HEAP = 512 << 10;

  @Test
  void shouldNotAllocateByTokensWhenAttentionRuns() {
    Bytes small = attentionBytes(512);
    Bytes large = attentionBytes(2048);
    // The device holds what the caller allocated, which is linear in tokens, and nothing else.
    assertThat(large.device()).isEqualTo(4 * small.device());
    // Small objects for the arguments, and a boxed vector per query where the compiler leaves one.
    // A
    // score matrix would have 1 MiB at 512 tokens and 16 MiB at 2048.
    assertThat(small.heap()).isLessThan(LEAST_HEAP);
    assertThat(large.heap()).isLessThan(LEAST_HEAP);
  }

  /**
   * What one attention call takes.
   *
   * @param device peak bytes of device memory
   * @param heap bytes allocated on the Java heap
   */
  private record Bytes(long device, long heap) {}

  private static Bytes attentionBytes(int tokens) {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    try (Device device = CpuDevice.open(1, 1L << 30);
        DeviceBuffer rows = device.memory().allocate(tokens * 256L, "q, k, v and out")) {
      Matrix all = Matrix.dense(rows, tokens, 64, DType.F32);
      Sequences sequence = new Sequences(new int[] {0}, new int[] {tokens}, 1);
      long heap = Long.MAX_VALUE;
      // Interpreted code boxes every vector: the least of many calls is what compiled code takes.
      for (int call = 0; call < 200 && heap >= LEAST_HEAP; call++) {
        long before = threads.getCurrentThreadAllocatedBytes();
        device.attention(
            all.columns(0, 16),
            all.columns(16, 32),
            all.columns(32, 48),
            all.columns(48, 64),
            1,
            sequence,
            sequence,
            0.25f);
        heap = Math.min(heap, threads.getCurrentThreadAllocatedBytes() - before);
      }
      return new Bytes(device.memory().peakBytes(), heap);
    }
  }

  @Test
  void shouldPassOnTheFailureWhenATaskFails() {
    try (Workers workers = new Workers(3)) {
      assertThatThrownBy(() ->
              workers.run(
                  100,
                  (thread, task) -> {
                    if (task == 41) {
                      throw new IllegalStateException("task " + task);
                    }
                  }))
          .isInstanceOf(IllegalStateException.class)
          .hasMessage("task 41");
      boolean[] done = new boolean[1000];
      workers.run(done.length, (thread, task) -> done[task] = true);
      assertThat(done).doesNotContain(false);
    }
  }

  @Test
  void shouldRefuseWhenALayerOrBufferBelongsToAnotherDevice() {
    try (Device one = CpuDevice.open(1, 1 << 20);
        Device other = CpuDevice.open(1, 1 << 20);
        DeviceBuffer mine = one.memory().allocate(64, "test");
        DeviceBuffer foreign = other.memory().allocate(64, "test")) {
      Matrix a = Matrix.dense(mine, 4, 4, DType.F32);
      Matrix b = Matrix.dense(foreign, 4, 4, DType.F32);
      assertThatThrownBy(() -> one.copy(a, b))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageStartingWith("Expected a buffer of this device");
    }
  }
}
