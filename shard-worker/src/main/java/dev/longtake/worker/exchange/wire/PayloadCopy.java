package dev.longtake.worker.exchange.wire;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.util.zip.CRC32C;

/**
 * Copies payloads and computes their checksum on the way, block by block: a block is still in the processor's first cache when it is
 * read again for the checksum. A payload may be copied in parts, one behind the other. For one thread at a time.
 */
public final class PayloadCopy {
  private static final int BLOCK_BYTES = 16 << 10;

  private final byte[] block = new byte[BLOCK_BYTES];
  private final MemorySegment blockMemory = MemorySegment.ofArray(block);
  private final CRC32C checksum = new CRC32C();
  private byte[] head = new byte[256];

  /** Room for what is written in front of a payload, and behind it; used again with the next one. */
  byte[] head(int bytes) {
    if (head.length < bytes) {
      head = new byte[bytes];
    }
    return head;
  }

  /** A payload begins. */
  PayloadCopy begin() {
    checksum.reset();
    return this;
  }

  /** CRC32C of what was copied since {@link #begin}. */
  int checksum() {
    return (int) checksum.getValue();
  }

  /**
   * Copies all that remains of a buffer.
   *
   * @param offset in {@code target}
   */
  void copy(ByteBuffer source, MemorySegment target, long offset) {
    MemorySegment from = MemorySegment.ofBuffer(source);
    int start = source.position();
    int size = source.remaining();
    for (int copied = 0; copied < size; ) {
      int count = Math.min(BLOCK_BYTES, size - copied);
      NativeCopy.copy(from, copied, target, offset + copied, count);
      copied += count;
      // Moves the buffer's position.
      checksum.update(source.limit(start + copied));
    }
  }

  /**
   * Fills all that remains of a buffer. Nothing is created for it, which slices of the segment would be.
   *
   * @param from in {@code source}
   * @param address of the buffer's next byte; 0 where that isn't known
   */
  void fill(MemorySegment source, long from, ByteBuffer target, long address) {
    int start = target.position();
    int size = target.remaining();
    if (address == 0 || !source.isNative()) {
      MemorySegment room = MemorySegment.ofBuffer(target);
      copy(source.asSlice(from, size).asByteBuffer(), room, 0);
      return;
    }
    for (int copied = 0; copied < size; ) {
      int count = Math.min(BLOCK_BYTES, size - copied);
      NativeCopy.copyTo(source, from + copied, address + copied, count);
      copied += count;
      // Moves the buffer's position.
      checksum.update(target.limit(start + copied));
    }
  }

  /** Writes a part of a segment through an array, which is what gRPC's streams take. */
  void write(MemorySegment source, long from, long to, OutputStream target) throws IOException {
    for (long offset = from; offset < to; ) {
      int count = (int) Math.min(block.length, to - offset);
      MemorySegment.copy(source, ValueLayout.JAVA_BYTE, offset, block, 0, count);
      checksum.update(block, 0, count);
      target.write(block, 0, count);
      offset += count;
    }
  }

  /**
   * Fills all of a segment, through an array.
   *
   * @throws EOFException when the stream ends before
   */
  void read(InputStream source, MemorySegment target) throws IOException {
    long size = target.byteSize();
    for (long offset = 0; offset < size; ) {
      int count = source.read(block, 0, (int) Math.min(block.length, size - offset));
      if (count < 0) {
        throw new EOFException("Expected %d bytes, but got %d".formatted(size, offset));
      }
      checksum.update(block, 0, count);
      NativeCopy.copyFrom(blockMemory, target, offset, count);
      offset += count;
    }
  }
}
