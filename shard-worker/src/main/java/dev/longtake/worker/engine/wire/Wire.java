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
   * Packs rows in place.
   *
   * @param rows [rows, columns], dense; worth nothing afterwards
   * @return the part of it that is to be sent
   */
  public MemorySegment pack(MemorySegment rows, int columns, DType dtype) {
    long count = count(rows, columns, dtype);
    if (count == 0 || isStored(columns, dtype)) {
      return rows;
    }
    RowFormat codec = codec();
    long packedBytes = format.rowBytes(columns, dtype.sizeBytes());
    for (long row = 0; row < count; row++) {
      codec.pack(rows, row * columns * dtype.sizeBytes(), columns, dtype, row * packedBytes);
    }
    return rows.asSlice(0, count * packedBytes);
  }

  /**
   * Where packed rows are to be received.
   *
   * @param rows [rows, columns], dense: memory for them when they are unpacked
   */
  public MemorySegment room(MemorySegment rows, int columns, DType dtype) {
    long packed = count(rows, columns, dtype) * format.rowBytes(columns, dtype.sizeBytes());
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
