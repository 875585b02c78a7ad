package dev.longtake.worker.device.cpu;

import dev.longtake.worker.device.AccountedMemory;
import dev.longtake.worker.device.Checks;
import dev.longtake.worker.device.DeviceBuffer;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** Memory of the process outside the Java heap. */
final class CpuMemory extends AccountedMemory<CpuBuffer> {
  static final int ALIGNMENT_BYTES = 64;

  CpuMemory(long limitBytes) {
    super(limitBytes);
  }

  @Override
  protected @Nullable CpuBuffer obtain(long sizeBytes, String tag) {
    MemorySegment block = SystemMemory.allocate(sizeBytes + ALIGNMENT_BYTES);
    return block.address() == 0 ? null : new CpuBuffer(this, block, sizeBytes, tag);
  }

  @Override
  protected String source() {
    return "the operating system";
  }

  /** The memory behind a buffer of this device. */
  MemorySegment segment(DeviceBuffer buffer) {
    if (!(buffer instanceof CpuBuffer own) || own.memory() != this) {
      throw Checks.refused("a buffer of this device", buffer.getClass().getSimpleName());
    }
    return own.segment();
  }
}
