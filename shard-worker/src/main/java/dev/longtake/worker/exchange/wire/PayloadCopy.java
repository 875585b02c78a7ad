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
 * Copies payloads between segments and gRPC's streams, and computes their checksum on the way. gRPC's streams take arrays, so bytes go
 * through a block that stays in the processor's first cache: memory is read once and written once. For one thread at a time.
 */
public final class PayloadCopy {
  private static final int BLOCK_BYTES = 16 << 10;

  private final byte[] block = new byte[BLOCK_BYTES];
  private final CRC32C checksum = new CRC32C();

  /**
   * Writes all of a segment.
   *
   * @return CRC32C of what was written
   */
  int write(MemorySegment source, OutputStream target) throws IOException {
    checksum.reset();
    long size = source.byteSize();
    for (long offset = 0; offset < size; ) {
      int count = (int) Math.min(block.length, size - offset);
      MemorySegment.copy(source, ValueLayout.JAVA_BYTE, offset, block, 0, count);
      checksum.update(block, 0, count);
      target.write(block, 0, count);
      offset += count;
    }
    return (int) checksum.getValue();
  }

  /**
   * Copies all of a segment, part by part, and reads each part again while it is in the first cache.
   *
   * @param shared all of the source or of the target: the one to be read for the checksum
   * @return CRC32C of what was copied
   */
  int copy(MemorySegment source, MemorySegment target, ByteBuffer shared) {
    checksum.reset();
    int size = Math.toIntExact(source.byteSize());
    for (int offset = 0; offset < size; ) {
      int count = Math.min(BLOCK_BYTES, size - offset);
      MemorySegment.copy(source, offset, target, offset, count);
      offset += count;
      // Moves the buffer's position.
      checksum.update(shared.limit(offset));
    }
    return (int) checksum.getValue();
  }

  /**
   * Fills all of a segment.
   *
   * @return CRC32C of what was read
   * @throws EOFException when the stream ends before
   */
  int read(InputStream source, MemorySegment target) throws IOException {
    checksum.reset();
    long size = target.byteSize();
    for (long offset = 0; offset < size; ) {
      int count = source.read(block, 0, (int) Math.min(block.length, size - offset));
      if (count < 0) {
        throw new EOFException("Expected %d bytes, but got %d".formatted(size, offset));
      }
      MemorySegment.copy(block, 0, target, ValueLayout.JAVA_BYTE, offset, count);
      checksum.update(block, 0, count);
      offset += count;
    }
    return (int) checksum.getValue();
  }
}
