package dev.longtake.worker.exchange.wire;

import java.io.IOException;
import java.lang.foreign.MemorySegment;

/** Where the payload of a chunk that arrived lies until it is copied. Owns what it lies in until it is closed. */
sealed interface Payload permits BufferedPayload, SlotPayload {
  /**
   * Copies it; once.
   *
   * @return whether the checksum is the one that was sent
   */
  boolean copyTo(MemorySegment target, PayloadCopy copy) throws IOException;

  /** After {@link #copyTo}: CRC32C as the sender computed it. */
  int sentChecksum();

  /** After {@link #copyTo}: CRC32C of what came. */
  int checksum();

  void close() throws IOException;
}
