package dev.longtake.worker.exchange;

import java.nio.ByteBuffer;

/** Follows the HTTP/2 frames in what a client sends, part by part. */
final class FrameFinder {
  /** What a client sends before its first frame. */
  private static final int PREFACE_BYTES = 24;

  /** Length (3 bytes), type, flags, stream number (4 bytes). */
  private static final int HEADER_BYTES = 9;

  private final byte[] header = new byte[HEADER_BYTES];
  private int headerBytes;
  private int bytesToHeader = PREFACE_BYTES;

  /** Where the last byte of the stream number of a frame with at least that much data is; {@code count} where there is none. */
  int streamNumber(byte[] part, int count, int minBytes) {
    for (int i = 0; i < count; i++) {
      if (bytesToHeader > 0) {
        bytesToHeader--;
        continue;
      }
      header[headerBytes++] = part[i];
      if (headerBytes == HEADER_BYTES) {
        headerBytes = 0;
        bytesToHeader = ByteBuffer.wrap(header).getInt() >>> Byte.SIZE;
        boolean isData = header[3] == 0;
        if (isData && bytesToHeader >= minBytes) {
          return i;
        }
      }
    }
    return count;
  }
}
