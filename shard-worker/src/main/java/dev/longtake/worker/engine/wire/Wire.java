package dev.longtake.worker.engine.wire;

import dev.longtake.common.plan.WireFormat;
import dev.longtake.common.tensor.DType;
import java.lang.foreign.MemorySegment;

/**
 * Writes activations for the way to a peer, and reads those that come, where they lie: rows are packed at the start of the memory that
 * they are sent from, and come at the end of the memory that they are read into. No memory is needed besides.
 *
 * <p>Not thread-safe: each lane has its own.
 */
public final class Wire {
  private final WireFormat format;
  private final Bf16Rows bf16 = new Bf16Rows();
  private final Int8Rows int8 = new Int8Rows();

  public Wire(WireFormat format) {
    this.format = format;
  }

  /**
   * The part of some rows' memory that is to be sent once they are packed.
   *
   * @param rows [rows, columns], dense
   */
  public MemorySegment packed(MemorySegment rows, int columns, DType dtype) {
    return rows.asSlice(0, packedBytes(count(rows, columns, dtype), columns, dtype));
  }

  /**
   * Packs some rows in place; those before them are packed already.
   *
   * @param rows [rows, columns], dense; those that are packed are worth nothing afterwards
   * @param bytes that rows which are written take up, those that were packed before included
   * @param packedBytes what the last call returned, 0 at first
   * @return bytes of {@link #packed} that are to be sent as they are
   */
  public long pack(MemorySegment rows, int columns, DType dtype, long bytes, long packedBytes) {
    if (columns == 0 || isStored(columns, dtype)) {
      return bytes;
    }
    RowFormat codec = codec();
    long rowBytes = (long) columns * dtype.sizeBytes();
    long packedRowBytes = format.rowBytes(columns, dtype.sizeBytes());
    long end = bytes / rowBytes;
    for (long row = packedBytes / packedRowBytes; row < end; row++) {
      codec.pack(rows, row * rowBytes, columns, dtype, row * packedRowBytes);
    }
    return end * packedRowBytes;
  }

  /**
   * Where packed rows are to be received.
   *
   * @param rows [rows, columns], dense: memory for them when they are unpacked
   */
  public MemorySegment room(MemorySegment rows, int columns, DType dtype) {
    long packed = packedBytes(count(rows, columns, dtype), columns, dtype);
    return rows.asSlice(rows.byteSize() - packed, packed);
  }

  /** Fills all of the memory with the rows that came in its {@link #room}. */
  public void unpack(MemorySegment rows, int columns, DType dtype) {
    long count = count(rows, columns, dtype);
    if (count == 0 || isStored(columns, dtype)) {
      return;
    }
    RowFormat codec = codec();
    long packedBytes = format.rowBytes(columns, dtype.sizeBytes());
    long first = rows.byteSize() - count * packedBytes;
    // From the front: a row never reaches further than to where the next packed one begins.
    for (long row = 0; row < count; row++) {
      codec.unpack(
          rows, first + row * packedBytes, columns, dtype, row * columns * dtype.sizeBytes());
    }
  }

  private long packedBytes(long rows, int columns, DType dtype) {
    return rows * format.rowBytes(columns, dtype.sizeBytes());
  }

  private boolean isStored(int columns, DType dtype) {
    return format.rowBytes(columns, dtype.sizeBytes()) == (long) columns * dtype.sizeBytes();
  }

  private RowFormat codec() {
    return switch (format) {
      case BF16 -> bf16;
      case INT8_ROWS -> int8;
      case STORED -> throw new IllegalStateException("Nothing is packed as it is stored");
    };
  }

  private static long count(MemorySegment rows, int columns, DType dtype) {
    return columns == 0 ? 0 : rows.byteSize() / ((long) columns * dtype.sizeBytes());
  }
}
