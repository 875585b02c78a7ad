package dev.longtake.ops.model;

import dev.longtake.common.checkpoint.SafetensorsWriter;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * The frequencies of rotary positions, {@code 10000^(-k / count)} (Su et al., arXiv 2104.09864), in float32.
 *
 * @param count half the head dimension
 */
record Frequencies(long count) implements SafetensorsWriter.Contents {
  private static final ValueLayout.OfFloat FLOAT =
      ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  @Override
  public void write(long offsetBytes, MemorySegment target) {
    long first = offsetBytes / Float.BYTES;
    for (long i = 0; i < target.byteSize() / Float.BYTES; i++) {
      double exponent = -(double) (first + i) / (double) count;
      target.setAtIndex(FLOAT, i, (float) StrictMath.pow(10_000, exponent));
    }
  }
}
