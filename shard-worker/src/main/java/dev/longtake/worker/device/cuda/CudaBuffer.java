package dev.longtake.worker.device.cuda;

import dev.longtake.worker.device.AccountedMemory;

/** The only owner of a block of a GPU's memory. */
final class CudaBuffer implements AccountedMemory.Tagged {
  private final CudaMemory memory;
  private final long address;
  private final long sizeBytes;
  private final String tag;
  private boolean closed; // guarded by this

  CudaBuffer(CudaMemory memory, long address, long sizeBytes, String tag) {
    this.memory = memory;
    this.address = address;
    this.sizeBytes = sizeBytes;
    this.tag = tag;
  }

  CudaMemory memory() {
    return memory;
  }

  /** Where it is, for as long as it is open. */
  synchronized long address() {
    if (closed) {
      throw new IllegalStateException(
          "Expected an open buffer, but this one of %d bytes (%s) was closed"
              .formatted(sizeBytes, tag));
    }
    return address;
  }

  @Override
  public String tag() {
    return tag;
  }

  @Override
  public long sizeBytes() {
    return sizeBytes;
  }

  @Override
  public void close() {
    synchronized (this) {
      if (closed) {
        return;
      }
      // Before the driver is asked: a failed free is not tried twice.
      closed = true;
    }
    memory.free(this, address);
  }

  @Override
  public String toString() {
    return "CudaBuffer[" + sizeBytes + " bytes, " + tag + "]";
  }
}
