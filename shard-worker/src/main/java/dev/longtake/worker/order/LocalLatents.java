package dev.longtake.worker.order;

import dev.longtake.common.partition.Range;
import dev.longtake.common.tensor.DType;
import dev.longtake.v1.Tensor;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.DeviceBuffer;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.engine.exec.Floats;
import dev.longtake.worker.engine.exec.Geometry;

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
    int frames = geometry.patching().frames();
    int height = geometry.patching().height();
    int width = geometry.patching().width();
    float[] whole =
        ProtoTensors.floats(tensor, field, geometry.branches(), channels, frames, height, width);
    Range local = geometry.latentFrames();
    int pixels = height * width;
    int blocks = geometry.branches() * channels;
    float[] part = new float[blocks * local.size() * pixels];
    int run = local.size() * pixels;
    for (int block = 0; block < blocks; block++) {
      int from = (block * frames + local.start()) * pixels;
      System.arraycopy(whole, from, part, block * run, run);
    }
    buffer = device.memory().allocate(4L * part.length, "latents");
    matrix = Matrix.dense(buffer, blocks * local.size(), pixels, DType.F32);
    Floats.upload(device, part, matrix);
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
