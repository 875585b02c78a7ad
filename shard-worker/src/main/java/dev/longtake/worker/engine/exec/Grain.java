package dev.longtake.worker.engine.exec;

import dev.longtake.worker.device.Device;

/**
 * How large pieces of tokens should be on a device.
 *
 * @param strands pieces that are computed at once, at most
 * @param rows with fewer, a piece's products are slower
 */
public record Grain(int strands, int rows) {
  /** A device's. */
  public static Grain of(Device device) {
    return new Grain(device.strands(), device.strandRows());
  }
}
