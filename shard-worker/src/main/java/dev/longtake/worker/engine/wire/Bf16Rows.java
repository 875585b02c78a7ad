package dev.longtake.worker.engine.wire;

import dev.longtake.common.tensor.DType;
import java.lang.foreign.MemorySegment;

/** {@link dev.longtake.common.plan.WireFormat#BF16} of float32. */
final class Bf16Rows implements RowFormat {
  private final Row row = new Row();

  @Override
  public void pack(MemorySegment memory, long from, int columns, DType dtype, long to) {
    var _ = row.read(memory, from, columns, dtype);
    row.write(memory, to, columns, DType.BF16);
  }

  @Override
  public void unpack(MemorySegment memory, long from, int columns, DType dtype, long to) {
    var _ = row.read(memory, from, columns, DType.BF16);
    row.write(memory, to, columns, dtype);
  }
}
