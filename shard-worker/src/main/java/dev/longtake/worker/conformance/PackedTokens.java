package dev.longtake.worker.conformance;

import dev.longtake.worker.conformance.GoldenRun.Values;

/**
 * Latents packed into tokens as Open-Sora 2.0 does: tokens in the order frame, row, column, each with the values [channel, row,
 * column] of its square patch.
 *
 * @param height latent rows
 * @param width latent columns
 */
record PackedTokens(int frames, int height, int width, int side) {
  /** The clip whose tokens are at these places [rows, tokens, (frame, row, column)]. */
  static PackedTokens of(Values places, int side) {
    int[] largest = new int[3];
    for (int i = 0; i < places.values().length; i++) {
      largest[i % 3] = Math.max(largest[i % 3], (int) places.values()[i]);
    }
    return new PackedTokens(largest[0] + 1, (largest[1] + 1) * side, (largest[2] + 1) * side, side);
  }

  /** To latents [rows, channels, frames, height, width]. */
  float[] unpack(float[] packed, int rows, int channels) {
    float[] latents = new float[packed.length];
    for (int at = 0; at < latents.length; at++) {
      latents[at] = packed[packedPlace(at, channels)];
    }
    return checked(latents, rows, channels);
  }

  /** And back. */
  float[] pack(float[] latents, int rows, int channels) {
    float[] packed = new float[latents.length];
    for (int at = 0; at < latents.length; at++) {
      packed[packedPlace(at, channels)] = latents[at];
    }
    return checked(packed, rows, channels);
  }

  private float[] checked(float[] values, int rows, int channels) {
    if (values.length != rows * channels * frames * height * width) {
      throw new IllegalArgumentException(
          "Expected %d values for %s, but got %d"
              .formatted(rows * channels * frames * height * width, this, values.length));
    }
    return values;
  }

  private int packedPlace(int at, int channels) {
    int x = at % width;
    int y = at / width % height;
    int frame = at / (width * height) % frames;
    int channel = at / (width * height * frames) % channels;
    int row = at / (width * height * frames * channels);
    int token = ((row * frames + frame) * (height / side) + y / side) * (width / side) + x / side;
    return ((token * channels + channel) * side + y % side) * side + x % side;
  }
}
