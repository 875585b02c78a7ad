package dev.longtake.worker.device.cpu.x86;

import dev.longtake.common.x86.Assembler.Address;
import dev.longtake.common.x86.Assembler.Register;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;

/** Constants that code reads from memory, each in all lanes of a vector. */
final class VectorPool {
  private static final int VECTOR_BYTES = PanelKernels.LANES * Float.BYTES;

  private final Register base;

  /** Bits of a lane, in the order of the memory. */
  private final List<Integer> constants = new ArrayList<>();

  /**
   * An empty one.
   *
   * @param base points to the memory while the code runs
   */
  VectorPool(Register base) {
    this.base = base;
  }

  Address all(float value) {
    return all(Float.floatToRawIntBits(value));
  }

  Address all(int bits) {
    int index = constants.indexOf(bits);
    if (index < 0) {
      index = constants.size();
      constants.add(bits);
    }
    return Address.of(base, index * VECTOR_BYTES);
  }

  /** What all code that was written until now reads, for as long as the process lives. */
  MemorySegment toMemory() {
    MemorySegment vectors =
        Arena.global().allocate((long) constants.size() * VECTOR_BYTES, VECTOR_BYTES);
    for (int i = 0; i < constants.size() * PanelKernels.LANES; i++) {
      vectors.setAtIndex(ValueLayout.JAVA_INT, i, constants.get(i / PanelKernels.LANES));
    }
    return vectors;
  }
}
