package dev.longtake.worker.engine.wire;

import dev.longtake.common.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * {@link dev.longtake.common.plan.WireFormat#INT8_ROWS}: a float32 scale, then a byte q for each value, which is q times the scale. The
 * scale is the greatest magnitude over 127, so a value is off by half a scale at most. A row with an infinity or a NaN comes as NaNs:
 * what went wrong is not hidden.
 */
final class Int8Rows implements RowFormat {
  private static final ValueLayout.OfFloat FLOAT =
      ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final float LARGEST = 127;

  private final Row row = new Row();
  private byte[] bytes = new byte[0];

  @Override
  public void pack(MemorySegment memory, long from, int columns, DType dtype, long to) {
    float[] values = row.read(memory, from, columns, dtype);
    float largest = 0;
    for (int i = 0; i < columns; i++) {
      // A NaN stays one.
      largest = Math.max(largest, Math.abs(values[i]));
    }
    boolean isFinite = largest <= Float.MAX_VALUE;
    float scale = isFinite ? largest / LARGEST : Float.NaN;
    byte[] scaled = bytes(columns);
    for (int i = 0; i < columns; i++) {
      // Of the smallest rows the scale is 0: they come as zeros.
      scaled[i] = scale > 0 ? (byte) Math.clamp(Math.round(values[i] / scale), -127, 127) : 0;
    }
    memory.set(FLOAT, to, scale);
    MemorySegment.copy(scaled, 0, memory, ValueLayout.JAVA_BYTE, to + Float.BYTES, columns);
  }

  @Override
  public void unpack(MemorySegment memory, long from, int columns, DType dtype, long to) {
    float scale = memory.get(FLOAT, from);
    byte[] scaled = bytes(columns);
    MemorySegment.copy(memory, ValueLayout.JAVA_BYTE, from + Float.BYTES, scaled, 0, columns);
    float[] values = row.values(columns);
    for (int i = 0; i < columns; i++) {
      values[i] = scaled[i] * scale;
    }
    row.write(memory, to, columns, dtype);
  }

  private byte[] bytes(int columns) {
    if (bytes.length < columns) {
      bytes = new byte[columns];
    }
    return bytes;
  }
}
