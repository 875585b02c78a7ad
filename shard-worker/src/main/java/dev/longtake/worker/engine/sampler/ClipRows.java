package dev.longtake.worker.engine.sampler;

import dev.longtake.common.partition.Range;
import dev.longtake.common.tensor.DType;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.DeviceBuffer;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.device.Patching;
import dev.longtake.worker.engine.exec.Floats;
import dev.longtake.worker.engine.exec.Geometry;
import java.util.Arrays;

/**
 * Where a rank's part of clips is: rows {@code [clip, channel, frame]} of its frames, columns {@code [height * width]}.
 *
 * @param clips samples or branches
 * @param channels of each
 */
public record ClipRows(Geometry geometry, int clips, int channels) {
  private static final String TAG = "latents";

  int frames() {
    return geometry.latentFrames().size();
  }

  int rowsPerClip() {
    return channels * frames();
  }

  int rows() {
    return clips * rowsPerClip();
  }

  int pixels() {
    return geometry.patching().height() * geometry.patching().width();
  }

  int clip(int row) {
    return row / rowsPerClip();
  }

  int channel(int row) {
    return row % rowsPerClip() / frames();
  }

  /** The row's frame in the whole clip. */
  int globalFrame(int row) {
    return geometry.latentFrames().start() + row % frames();
  }

  /** Zeroed rows on the device; the caller owns the buffer. */
  public DeviceBuffer allocate(Device device) {
    return device.memory().allocate(4L * rows() * pixels(), TAG);
  }

  /** The rows in a buffer of {@link #allocate}. */
  public Matrix in(DeviceBuffer buffer) {
    return Matrix.dense(buffer, rows(), pixels(), DType.F32);
  }

  /** The first channels of one clip. */
  Matrix channels(Matrix all, int clip, int from, int to) {
    int first = clip * rowsPerClip();
    return all.rows(first + from * frames(), first + to * frames());
  }

  /** This rank's frames of the {@code index}-th whole [clips, channels, frames, height, width] in an array. */
  public float[] localPart(float[] whole, int index) {
    Range local = geometry.latentFrames();
    int wholeFrames = geometry.patching().frames();
    int blocks = clips * channels;
    int run = local.size() * pixels();
    float[] part = new float[blocks * run];
    for (int block = 0; block < blocks; block++) {
      int from = ((index * blocks + block) * wholeFrames + local.start()) * pixels();
      System.arraycopy(whole, from, part, block * run, run);
    }
    return part;
  }

  /** Puts this rank's part of given frames in their places. */
  void fillFirstFrames(Device device, Matrix target, GivenFrames given) {
    int first = geometry.latentFrames().start();
    int last = Math.min(given.frames(), geometry.latentFrames().end());
    for (int block = 0; first < last && block < clips * channels; block++) {
      int from = block * given.frames();
      float[] frames =
          Arrays.copyOfRange(given.latents(), (from + first) * pixels(), (from + last) * pixels());
      int row = block * frames();
      Floats.upload(device, frames, target.rows(row, row + last - first));
    }
  }

  /** Noise of the global elements, so that it does not depend on who holds them. Each clip has its own seed. */
  void fillNoise(Device device, Matrix target, long seed, long stream) {
    Patching whole = geometry.patching();
    for (int clip = 0; clip < clips; clip++) {
      for (int channel = 0; channel < channels; channel++) {
        long firstFrame = (long) channel * whole.frames() + geometry.latentFrames().start();
        device.noise(
            channels(target, clip, channel, channel + 1),
            seed + clip,
            stream,
            firstFrame * pixels());
      }
    }
  }
}
