package dev.longtake.worker.engine.wire;

import dev.longtake.common.tensor.DType;
import java.lang.foreign.MemorySegment;

/** One row at a time; where a row is read and where it is written may overlap. Offsets in bytes. */
sealed interface RowFormat permits Bf16Rows, Int8Rows {
  /** Packs a row of values of {@code dtype}, F32 or BF16. */
  void pack(MemorySegment memory, long from, int columns, DType dtype, long to);

  /** The reverse. */
  void unpack(MemorySegment memory, long from, int columns, DType dtype, long to);
}
