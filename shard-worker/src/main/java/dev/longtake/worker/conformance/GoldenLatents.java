package dev.longtake.worker.conformance;

import dev.longtake.v1.ClipGeometry;
import dev.longtake.v1.Tensor;
import dev.longtake.worker.conformance.GoldenRun.Values;
import dev.longtake.worker.order.ProtoTensors;
import java.util.List;

/** Latents between the references' layouts and ours, [rows, channels, frames, height, width]. */
final class GoldenLatents {
  private GoldenLatents() {}

  static Tensor tensor(Values values) {
    return ProtoTensors.of(values.floats(), values.shape());
  }

  /** The size of latents [.., channels, frames, height, width], with the given size in pixels. */
  static ClipGeometry.Builder geometry(List<Long> shape, double pixelHeight, double pixelWidth) {
    int axes = shape.size();
    return ClipGeometry.newBuilder()
        .setLatentFrames(Math.toIntExact(shape.get(axes - 3)))
        .setLatentHeight(Math.toIntExact(shape.get(axes - 2)))
        .setLatentWidth(Math.toIntExact(shape.get(axes - 1)))
        .setPixelHeight(pixelHeight)
        .setPixelWidth(pixelWidth);
  }

  static float[] concatenate(List<float[]> parts) {
    float[] all = new float[parts.stream().mapToInt(part -> part.length).sum()];
    int at = 0;
    for (float[] part : parts) {
      System.arraycopy(part, 0, all, at, part.length);
      at += part.length;
    }
    return all;
  }

  /** From [.., first, second, inner] to [.., second, first, inner]. */
  static float[] swapAxes(float[] values, int first, int second, int inner) {
    float[] swapped = new float[values.length];
    for (int block = 0; block < values.length / inner; block++) {
      int outer = block / (first * second);
      int one = block / second % first;
      int other = block % second;
      int to = (outer * second + other) * first + one;
      System.arraycopy(values, block * inner, swapped, to * inner, inner);
    }
    return swapped;
  }
}
