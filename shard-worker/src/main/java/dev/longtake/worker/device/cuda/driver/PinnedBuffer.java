package dev.longtake.worker.device.cuda.driver;

import java.lang.foreign.MemorySegment;
import jcuda.Pointer;
import jcuda.driver.CUevent;
import jcuda.driver.CUevent_flags;
import jcuda.driver.CUstream;
import jcuda.driver.JCudaDriver;

/** Memory of the host that the GPU copies from and to by itself, and the moment at which it has. For one thread at a time. */
final class PinnedBuffer implements AutoCloseable {
  private final CudaErrors errors;
  private final CUstream stream;
  private final Pointer pointer = new Pointer();
  private final CUevent copied = new CUevent();
  private final MemorySegment host;
  private boolean inFlight;

  PinnedBuffer(CudaErrors errors, CUstream stream, long sizeBytes) {
    this.errors = errors;
    this.stream = stream;
    errors.check(
        JCudaDriver.cuMemHostAlloc(pointer, sizeBytes, 0),
        "pin %d bytes of the host's memory (cuMemHostAlloc)".formatted(sizeBytes));
    host = MemorySegment.ofBuffer(pointer.getByteBuffer(0, sizeBytes));
    int flags = CUevent_flags.CU_EVENT_DISABLE_TIMING | CUevent_flags.CU_EVENT_BLOCKING_SYNC;
    try {
      errors.check(JCudaDriver.cuEventCreate(copied, flags), "make an event (cuEventCreate)");
    } catch (Throwable e) {
      var _ = JCudaDriver.cuMemFreeHost(pointer);
      throw e;
    }
  }

  MemorySegment host() {
    return host;
  }

  /** For the binding. */
  Pointer at(long offset) {
    return pointer.withByteOffset(offset);
  }

  /** Copies that were asked for until now use this memory. */
  void mark() {
    errors.check(JCudaDriver.cuEventRecord(copied, stream), "note its copies (cuEventRecord)");
    inFlight = true;
  }

  /** Waits until they do no more. */
  void await(String operation) {
    if (inFlight) {
      errors.check(JCudaDriver.cuEventSynchronize(copied), operation + " (cuEventSynchronize)");
      inFlight = false;
    }
  }

  /** Nothing may be under way. Frees what can be freed, on a GPU that is lost, too. */
  @Override
  public void close() {
    var _ = JCudaDriver.cuEventDestroy(copied);
    var _ = JCudaDriver.cuMemFreeHost(pointer);
  }
}
