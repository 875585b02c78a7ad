package dev.longtake.worker.device;

import java.util.concurrent.atomic.AtomicBoolean;

/**
 * One kernel at a time on a device that is open. Two calls at the same time are a mistake of the callers, an
 * {@link IllegalStateException}: nobody waits here.
 */
public final class DeviceTurns {
  /** Has the device until it is closed. */
  @FunctionalInterface
  public interface Turn extends AutoCloseable {
    @Override
    void close();
  }

  private final AtomicBoolean busy = new AtomicBoolean();
  private boolean closed; // only read and written while busy

  /**
   * Takes the device.
   *
   * @throws IllegalStateException when another thread has it, or it was closed
   */
  public Turn take() {
    if (!busy.compareAndSet(false, true)) {
      throw new IllegalStateException(
          "Expected one call at a time, but another thread is in a kernel of this device");
    }
    if (closed) {
      busy.set(false);
      throw new IllegalStateException("Expected an open device, but this one was closed");
    }
    return () -> busy.set(false);
  }

  /**
   * Closes the device; closing it again has no effect.
   *
   * @param release frees what the device has
   * @throws IllegalStateException when a thread is in a kernel
   */
  public void close(Runnable release) {
    if (!busy.compareAndSet(false, true)) {
      throw new IllegalStateException(
          "Expected no kernel at close, but another thread is in one of this device");
    }
    try {
      if (!closed) {
        closed = true;
        release.run();
      }
    } finally {
      busy.set(false);
    }
  }
}
