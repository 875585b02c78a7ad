package dev.longtake.worker.conformance;

import dev.longtake.v1.ClipGeometry;
import dev.longtake.v1.Tensor;
import dev.longtake.worker.conformance.GoldenRun.Values;
import dev.longtake.worker.order.ProtoTensors;
import java.util.List;

/** Latents between the references' layouts and ours, [rows, channels, frames, height, width]. */
final class GoldenLatents {
  /** Open-Sora 2.0 packs patches of this many rows and columns into tokens. */
  private static final int PATCH = 2;

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

  /** From [rows, channels, frames, height, width] to tokens [rows, frames * patches, channels * 4], channels first. */
  static float[] pack(float[] latents, int channels, int frames, int height, int width) {
    float[] tokens = new float[latents.length];
    for (int i = 0; i < tokens.length; i++) {
      tokens[token(i, channels, frames, height, width)] = latents[i];
    }
    return tokens;
  }

  /** The way back. */
  static float[] unpack(float[] tokens, int channels, int frames, int height, int width) {
    float[] latents = new float[tokens.length];
    for (int i = 0; i < latents.length; i++) {
      latents[i] = tokens[token(i, channels, frames, height, width)];
    }
    return latents;
  }

  /** Where element i of the latents is among the tokens. */
  private static int token(int i, int channels, int frames, int height, int width) {
    int column = i % width;
    int row = i / width % height;
    int frame = i / (width * height) % frames;
    int channel = i / (width * height * frames) % channels;
    int clip = i / (width * height * frames * channels);
    int patch =
        ((clip * frames + frame) * (height / PATCH) + row / PATCH) * (width / PATCH)
            + column / PATCH;
    return ((patch * channels + channel) * PATCH + row % PATCH) * PATCH + column % PATCH;
  }
}
