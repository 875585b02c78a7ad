package dev.longtake.worker.order;

import dev.longtake.v1.Tensor;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.DeviceBuffer;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.engine.exec.Floats;
import dev.longtake.worker.engine.exec.Geometry;
import dev.longtake.worker.engine.sampler.ClipRows;

/** This rank's frames of a tensor of latents, on the device. Owns its buffer. */
final class LocalLatents implements AutoCloseable {
  private final DeviceBuffer buffer;
  private final Matrix matrix;

  /**
   * Takes this rank's frames of [branches, channels, frames, height, width].
   *
   * @param field for errors
   */
  LocalLatents(Device device, Geometry geometry, Tensor tensor, String field, int channels) {
    float[] whole =
        ProtoTensors.floats(
            tensor,
            field,
            geometry.branches(),
            channels,
            geometry.patching().frames(),
            geometry.patching().height(),
            geometry.patching().width());
    ClipRows rows = new ClipRows(geometry, geometry.branches(), channels);
    buffer = rows.allocate(device);
    matrix = rows.in(buffer);
    Floats.upload(device, rows.localPart(whole, /* index= */ 0), matrix);
  }

  /** Rows [branch, channel, frame], columns [height * width], F32. */
  Matrix matrix() {
    return matrix;
  }

  @Override
  public void close() {
    buffer.close();
  }
}
