package dev.longtake.worker.device.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.tensor.DType;
import dev.longtake.worker.device.Activation;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.DeviceBuffer;
import dev.longtake.worker.device.DeviceContract;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.device.Sequences;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Assumptions;
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

  @Test
  void shouldRefuseKernelsOfTheDeviceItselfWhileTasksRun() {
    try (Device device = CpuDevice.open(2, 1 << 20);
        DeviceBuffer buffer = device.memory().allocate(64, "test")) {
      Matrix matrix = Matrix.dense(buffer, 1, 4, DType.F32);

      assertThatThrownBy(() ->
              device.parallel(2, (_, _, _) -> device.activate(matrix, matrix, Activation.SILU)))
          .isInstanceOf(IllegalStateException.class)
          .hasMessageContaining("one call at a time");
      device.activate(matrix, matrix, Activation.SILU);
    }
  }

  private static long deviceThreads() {
    return Thread.getAllStackTraces().keySet().stream()
        .filter(thread -> thread.isAlive() && thread.getName().startsWith("lt-cpu-"))
        .count();
  }

  @Test
  void shouldGiveEqualBitsWhenTilesAreAsLargeAsTheyMayBe() {
    for (DType inputType : inputTypes()) {
      checkCompany(1152, 1152, inputType, /* most= */ 768, /* step= */ 109);
      checkCompany(4608, 1152, inputType, /* most= */ 768, /* step= */ 229);
    }
  }

  @Test
  void shouldTakeDeviceMemoryInProportionToTokensWhenAttentionRuns() {
    // What the caller allocated, and nothing else.
    assertThat(attentionPeakBytes(512)).isEqualTo(512 * 256L);
    assertThat(attentionPeakBytes(2048)).isEqualTo(2048 * 256L);
  }

  @Test
  void shouldNeverHoldAScoreForEachPairOfTokensWhenAttentionRuns() {
    int tokens = 24_576;
    long scoreBytes = 4L * tokens * tokens;
    // Neither the heap nor the device could hold them.
    assertThat(Runtime.getRuntime().maxMemory()).isLessThan(scoreBytes);
    assertThat(attentionPeakBytes(tokens)).isLessThan(scoreBytes / 300);
  }

  /** Most device memory during one attention of one head of 16; the device has little more than that takes. */
  private static long attentionPeakBytes(int tokens) {
    long bytes = tokens * 256L;
    try (Device device = CpuDevice.open(2, bytes + (1 << 20));
        DeviceBuffer rows = device.memory().allocate(bytes, "q, k, v and out")) {
      Matrix all = Matrix.dense(rows, tokens, 64, DType.F32);
      Sequences sequence = new Sequences(new int[] {0}, new int[] {tokens}, 1);
      device.attention(
          all.columns(0, 16),
          all.columns(16, 32),
          all.columns(32, 48),
          all.columns(48, 64),
          1,
          sequence,
          sequence,
          0.25f);
      return device.memory().peakBytes();
    }
  }

  @Test
  void shouldReachEveryKeyWhenTheirPlacesExceedAnInt() {
    int keys = 270_000;
    int stride = 8192;
    long elements = (long) keys * stride;
    assertThat(elements).isGreaterThan(1L << 31);
    long bytes = elements * Float.BYTES;
    try (Device device = CpuDevice.open(2, bytes + (1 << 20));
        DeviceBuffer wide = lend(device, bytes);
        DeviceBuffer narrow = device.memory().allocate(8 * 8 * Float.BYTES, "q and out")) {
      // Almost all pages are only read, and so take no memory.
      Matrix all = Matrix.dense(wide, keys, stride, DType.F32);
      Matrix rows = Matrix.dense(narrow, 8, 8, DType.F32);
      Matrix query = rows.columns(0, 4);
      Matrix out = rows.columns(4, 8);
      Matrix last = all.rows(keys - 1, keys).columns(0, 8);
      device.noise(query, 1, 2, 3);
      device.upload(MemorySegment.ofArray(new float[] {1, 0, 0, 0}), query.rows(2, 3));
      // For the query (1, 0, 0, 0) the last key outweighs all others, which are zero.
      device.upload(MemorySegment.ofArray(new float[] {500, 0, 0, 0, 7, 8, 9, 10}), last);
      // Two sequences of different length, which share their keys.
      device.attention(
          query,
          all.columns(0, 4),
          all.columns(4, 8),
          out,
          1,
          new Sequences(new int[] {2, 3}, new int[] {1, 4}, 1),
          new Sequences(new int[] {0, 0}, new int[] {keys, keys}, 1),
          1);
      float[] result = new float[4];
      device.download(out.rows(2, 3), MemorySegment.ofArray(result));
      assertThat(result).containsExactly(7, 8, 9, 10);
      assertThat(device.memory().peakBytes()).isEqualTo(bytes + 8 * 8 * Float.BYTES);
    }
  }

  /** Address space, which small machines refuse. */
  private static DeviceBuffer lend(Device device, long bytes) {
    try {
      return device.memory().allocate(bytes, "keys and values");
    } catch (LongtakeException e) {
      return Assumptions.abort(e.getMessage());
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
