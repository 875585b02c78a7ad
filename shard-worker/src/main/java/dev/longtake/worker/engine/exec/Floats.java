package dev.longtake.worker.engine.exec;

import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.Matrix;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Small float arrays to and from a device. */
public final class Floats {
  private Floats() {}

  /** Copies {@code rows * columns} values into an F32 matrix. */
  public static void upload(Device device, float[] values, Matrix target) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment host = arena.allocate(4L * values.length, 64);
      MemorySegment.copy(values, 0, host, ValueLayout.JAVA_FLOAT, 0, values.length);
      device.upload(host, target);
    }
  }

  /** Copies an F32 matrix. */
  public static float[] download(Device device, Matrix source) {
    float[] values = new float[Math.multiplyExact(source.rows(), source.columns())];
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment host = arena.allocate(4L * values.length, 64);
      device.download(source, host);
      MemorySegment.copy(host, ValueLayout.JAVA_FLOAT, 0, values, 0, values.length);
    }
    return values;
  }
}
