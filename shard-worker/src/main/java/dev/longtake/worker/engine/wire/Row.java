package dev.longtake.worker.engine.wire;

import dev.longtake.common.tensor.Bfloat16;
import dev.longtake.common.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/** A row's values as floats, between memory of either type and the formats. Grows with the widest row. Not thread-safe. */
final class Row {
  private static final ValueLayout.OfFloat FLOAT =
      ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfShort SHORT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private float[] values = new float[0];
  private short[] halves = new short[0];

  /** At least as many as the row has; those behind them are worth nothing. */
  float[] values(int columns) {
    if (values.length < columns) {
      values = new float[columns];
      halves = new short[columns];
    }
    return values;
  }

  /** Reads all of a row before anything is written. */
  float[] read(MemorySegment memory, long from, int columns, DType dtype) {
    float[] row = values(columns);
    if (dtype == DType.BF16) {
      MemorySegment.copy(memory, SHORT, from, halves, 0, columns);
      for (int i = 0; i < columns; i++) {
        row[i] = Bfloat16.toFloat(halves[i]);
      }
    } else {
      MemorySegment.copy(memory, FLOAT, from, row, 0, columns);
    }
    return row;
  }

  /** Writes the values, rounded where the type has fewer digits. */
  void write(MemorySegment memory, long to, int columns, DType dtype) {
    if (dtype == DType.BF16) {
      for (int i = 0; i < columns; i++) {
        halves[i] = Bfloat16.fromFloat(values[i]);
      }
      MemorySegment.copy(halves, 0, memory, SHORT, to, columns);
    } else {
      MemorySegment.copy(values, 0, memory, FLOAT, to, columns);
    }
  }
}
