package dev.longtake.client.cli;

import dev.longtake.client.LongtakeClientException;
import java.nio.ByteBuffer;

/** Pixels of a PNG, as its first chunk tells (PNG specification, 11.2.1). */
record PngSize(int width, int height) {
  private static final long SIGNATURE = 0x89504E470D0A1A0AL;
  private static final int WIDTH_AT = 16;

  /**
   * Reads them.
   *
   * @throws LongtakeClientException INTERNAL when the bytes are no PNG
   */
  static PngSize of(byte[] png) {
    ByteBuffer bytes = ByteBuffer.wrap(png);
    if (png.length < WIDTH_AT + 2 * Integer.BYTES || bytes.getLong(0) != SIGNATURE) {
      throw new LongtakeClientException(
          LongtakeClientException.INTERNAL,
          "Expected a PNG as preview, but got %d bytes that are none".formatted(png.length));
    }
    return new PngSize(
        Math.max(1, bytes.getInt(WIDTH_AT)), Math.max(1, bytes.getInt(WIDTH_AT + Integer.BYTES)));
  }
}
