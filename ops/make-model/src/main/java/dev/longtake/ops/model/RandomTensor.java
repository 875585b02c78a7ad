package dev.longtake.ops.model;

import dev.longtake.common.checkpoint.SafetensorsWriter;
import dev.longtake.common.tensor.Bfloat16;
import dev.longtake.common.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.zip.CRC32;

/**
 * Uniform values around a centre. Each depends on seed, name and index alone, by the counter form of SplitMix64 (Steele, Lea and
 * Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014), so they come out the same in whatever pieces they are
 * written.
 *
 * @param dtype F32 or BF16
 * @param centre mean of the values
 * @param deviation standard deviation of the values
 */
record RandomTensor(DType dtype, long seed, float centre, float deviation)
    implements SafetensorsWriter.Contents {
  private static final ValueLayout.OfFloat FLOAT =
      ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfShort SHORT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private static final long GAMMA = 0x9E3779B97F4A7C15L;

  /** A uniform number in [-1, 1) has a standard deviation of 1 / sqrt(3). */
  private static final float HALF_WIDTH = (float) Math.sqrt(3);

  /** Values that belong to a name: different for each name and each seed. */
  static RandomTensor of(String name, long seed, DType dtype, float centre, float deviation) {
    CRC32 hash = new CRC32();
    hash.update(name.getBytes(StandardCharsets.UTF_8));
    return new RandomTensor(dtype, mix(seed ^ mix(hash.getValue())), centre, deviation);
  }

  @Override
  public void write(long offsetBytes, MemorySegment target) {
    long first = offsetBytes / dtype.sizeBytes();
    long count = target.byteSize() / dtype.sizeBytes();
    if (dtype == DType.BF16) {
      for (long i = 0; i < count; i++) {
        target.setAtIndex(SHORT, i, Bfloat16.fromFloat(value(first + i)));
      }
    } else {
      for (long i = 0; i < count; i++) {
        target.setAtIndex(FLOAT, i, value(first + i));
      }
    }
  }

  private float value(long index) {
    // The upper 24 bits, exactly a float in [-1, 1).
    float uniform = (mix(seed + (index + 1) * GAMMA) >> 40) * 0x1p-23f;
    return centre + deviation * HALF_WIDTH * uniform;
  }

  private static long mix(long bits) {
    long z = (bits ^ (bits >>> 30)) * 0xBF58476D1CE4E5B9L;
    z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
    return z ^ (z >>> 31);
  }
}
