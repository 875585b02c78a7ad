package dev.longtake.worker.exchange.wire;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.Objects;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * Copies payloads and computes their checksum on the way: in one pass where the processor has instructions for it, see {@link FusedCopy},
 * and otherwise block by block, so that a block is still in the first cache when it is read again. A payload may be copied in
 * parts, one behind the other. For one thread at a time.
 */
public final class PayloadCopy {
  private static final int BLOCK_BYTES = 16 << 10;

  private final @Nullable FusedCopy fused;
  private final byte[] block = new byte[BLOCK_BYTES];
  private final MemorySegment blockMemory = MemorySegment.ofArray(block);
  // The one is used with a fused copy, the other without.
  private int register;
  private final CRC32C checksum = new CRC32C();
  private byte[] head = new byte[256];

  /** In one pass where that is possible. */
  public PayloadCopy() {
    this(FusedCopy.get().orElse(null));
  }

  PayloadCopy(@Nullable FusedCopy fused) {
    this.fused = fused;
  }

  /** Room for what is written in front of a payload, and behind it; used again with the next one. */
  byte[] head(int bytes) {
    if (head.length < bytes) {
      head = new byte[bytes];
    }
    return head;
  }

  /** A payload begins. */
  PayloadCopy begin() {
    register = FusedCopy.START;
    checksum.reset();
    return this;
  }

  /** CRC32C of what was copied since {@link #begin}. */
  int checksum() {
    return fused == null ? (int) checksum.getValue() : ~register;
  }

  /** Copies bytes between segments, whose memory must stay allocated meanwhile. */
  void copy(MemorySegment source, long from, MemorySegment target, long to, long bytes) {
    if (fused != null) {
      register = fused.copy(source, from, target, to, bytes, register);
      return;
    }
    for (long copied = 0; copied < bytes; ) {
      int count = (int) Math.min(BLOCK_BYTES, bytes - copied);
      NativeCopy.copy(source, from + copied, target, to + copied, count);
      checksum.update(target.asSlice(to + copied, count).asByteBuffer());
      copied += count;
    }
  }

  /**
   * Fills all that remains of a buffer.
   *
   * @param from in {@code source}
   * @param address of the buffer's next byte; 0 where that isn't known
   */
  void fill(MemorySegment source, long from, ByteBuffer target, long address) {
    int bytes = target.remaining();
    if (fused != null && address != 0 && source.isNative()) {
      // Nothing is created for it, as a segment of the buffer would be.
      Objects.checkFromIndexSize(from, bytes, source.byteSize());
      register = fused.copy(source.address() + from, address, bytes, register);
    } else {
      copy(source, from, MemorySegment.ofBuffer(target), 0, bytes);
    }
  }

  /** Writes a part of a segment through an array, which is what gRPC's streams take. */
  void write(MemorySegment source, long from, long to, OutputStream target) throws IOException {
    for (long offset = from; offset < to; ) {
      int count = (int) Math.min(block.length, to - offset);
      copy(source, offset, blockMemory, 0, count);
      target.write(block, 0, count);
      offset += count;
    }
  }

  /**
   * Fills all of a segment, through an array: the buffers that lie behind gRPC's streams are many small ones, and looking at each would
   * create several objects.
   *
   * @throws EOFException when the stream ends before
   */
  void read(InputStream source, MemorySegment target) throws IOException {
    long size = target.byteSize();
    for (long offset = 0; offset < size; ) {
      int wanted = (int) Math.min(block.length, size - offset);
      int count = source.read(block, 0, fused == null ? wanted : FusedCopy.arrayBytes(wanted));
      if (count < 0) {
        throw new EOFException("Expected %d bytes, but got %d".formatted(size, offset));
      }
      if (fused == null) {
        copy(blockMemory, 0, target, offset, count);
      } else {
        register = fused.copyArray(blockMemory, target, offset, count, register);
      }
      offset += count;
    }
  }
}
