package dev.longtake.worker.engine.gang;

import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.engine.Exchange;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * The latents on their way from the last stage, which moves them, to the first, which embeds them: once per step, each sequence
 * rank's frames to the same rank. Owns its host memory.
 */
final class LatentsLink implements AutoCloseable {
  private final Device device;
  private final Exchange exchange;
  private final int peer;
  private final Arena arena = Arena.ofShared();
  private final MemorySegment memory;

  /**
   * One end of the link.
   *
   * @param peer rank at the other end
   * @param latents of this rank, dense
   */
  LatentsLink(Device device, Exchange exchange, int peer, Matrix latents) {
    this.device = device;
    this.exchange = exchange;
    this.peer = peer;
    try {
      memory =
          arena.allocate(
              (long) latents.rows() * latents.columns() * latents.dtype().sizeBytes(), 64);
    } catch (Throwable e) {
      arena.close();
      throw e;
    }
  }

  void send(Matrix latents, String place) {
    if (memory.byteSize() > 0) {
      device.download(latents, memory);
    }
    exchange.send(peer, memory, place + ", latents to the first stage");
  }

  void receive(Matrix latents, String place) {
    exchange.receive(peer, memory, place + ", latents from the last stage");
    if (memory.byteSize() > 0) {
      device.upload(memory, latents);
    }
  }

  @Override
  public void close() {
    arena.close();
  }
}
