package dev.longtake.worker.device;

/**
 * Memory on a device. Whoever allocated it owns it and closes it; views ({@link Matrix}) never do. Closing twice has no
 * effect; using a closed buffer is an error.
 */
public interface DeviceBuffer extends AutoCloseable {
  long sizeBytes();

  @Override
  void close();
}
