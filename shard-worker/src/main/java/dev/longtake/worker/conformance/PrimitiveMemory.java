package dev.longtake.worker.conformance;

import dev.longtake.common.tensor.DType;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.DeviceBuffer;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.engine.exec.Floats;
import java.util.ArrayList;
import java.util.List;

/** Device memory of one function's run; closing frees it. */
final class PrimitiveMemory implements AutoCloseable {
  private final Device device;
  private final List<DeviceBuffer> buffers = new ArrayList<>();

  PrimitiveMemory(Device device) {
    this.device = device;
  }

  /** A matrix whose content is undefined, F32. */
  Matrix matrix(int rows, int columns) {
    DeviceBuffer buffer = device.memory().allocate(4L * rows * columns, "conformance");
    buffers.add(buffer);
    return Matrix.dense(buffer, rows, columns, DType.F32);
  }

  /** A matrix of as many rows as the values fill. */
  Matrix upload(float[] values, int columns) {
    Matrix matrix = matrix(values.length / columns, columns);
    Floats.upload(device, values, matrix);
    return matrix;
  }

  @Override
  public void close() {
    buffers.forEach(DeviceBuffer::close);
  }
}
