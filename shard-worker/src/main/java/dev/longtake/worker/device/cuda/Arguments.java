package dev.longtake.worker.device.cuda;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * A kernel's arguments as C lays them out, in the order of its parameters; made again for each launch. A structure is begun with
 * {@link #next} and filled with the same methods, fields in their order: each is aligned to its own size.
 */
final class Arguments {
  private static final int CAPACITY_BYTES = 1024;
  private static final int MAX_ARGUMENTS = 32;

  private final MemorySegment values = Arena.ofAuto().allocate(CAPACITY_BYTES, Long.BYTES);
  private final MemorySegment pointers =
      Arena.ofAuto().allocate(ValueLayout.ADDRESS, MAX_ARGUMENTS);
  private int count;
  private long end;

  /** Forgets what was there. */
  Arguments begin() {
    count = 0;
    end = 0;
    return this;
  }

  /** What follows belongs to the kernel's next parameter. */
  Arguments next() {
    end = (end + Long.BYTES - 1) / Long.BYTES * Long.BYTES;
    pointers.setAtIndex(ValueLayout.ADDRESS, count++, values.asSlice(end));
    return this;
  }

  Arguments putInt(int value) {
    values.set(ValueLayout.JAVA_INT, end, value);
    end += Integer.BYTES;
    return this;
  }

  Arguments putFloat(float value) {
    values.set(ValueLayout.JAVA_FLOAT, end, value);
    end += Float.BYTES;
    return this;
  }

  /** A number or an address of 64 bits. */
  Arguments putLong(long value) {
    values.set(ValueLayout.JAVA_LONG, end, value);
    end += Long.BYTES;
    return this;
  }

  /** A {@code View} of view.cuh. */
  Arguments putView(CudaView view) {
    return putLong(view.address())
        .putLong(view.stride())
        .putInt(view.rows())
        .putInt(view.columns())
        .putInt(view.bfloat() ? 1 : 0)
        .putInt(0);
  }

  /** Views as the next parameters. */
  Arguments views(CudaView... views) {
    for (CudaView view : views) {
      next().putView(view);
    }
    return this;
  }

  /** Integers as the next parameters. */
  Arguments ints(int... numbers) {
    for (int number : numbers) {
      next().putInt(number);
    }
    return this;
  }

  /** Numbers or addresses of 64 bits as the next parameters. */
  Arguments longs(long... numbers) {
    for (long number : numbers) {
      next().putLong(number);
    }
    return this;
  }

  /** Floats as the next parameters. */
  Arguments floats(float... numbers) {
    for (float number : numbers) {
      next().putFloat(number);
    }
    return this;
  }

  /** An address for each parameter. */
  MemorySegment pointers() {
    return pointers;
  }
}
