package dev.longtake.worker.engine.exec;

import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.engine.wire.Wire;
import java.lang.foreign.MemorySegment;

/** The residual stream on its way from one stage to the next, all rows as they are. */
final class TokenLink {
  private final Device device;
  private final Neighbours neighbours;
  private final Wire wire;
  private final Staging staging;

  TokenLink(Device device, Neighbours neighbours, Wire wire, Staging staging) {
    this.device = device;
    this.neighbours = neighbours;
    this.wire = wire;
    this.staging = staging;
  }

  void send(Matrix residual, String what) {
    try (RowExchange rows = exchange(residual)) {
      rows.send(neighbours.next(), residual.rows(), residual.columns());
      rows.begin(what);
      rows.pack(neighbours.next(), residual);
      rows.await();
    }
  }

  void receive(Matrix residual, String what) {
    try (RowExchange rows = exchange(residual)) {
      rows.receive(neighbours.previous(), residual.rows(), residual.columns());
      rows.begin(what);
      rows.await();
      MemorySegment tokens = rows.unpack(neighbours.previous());
      if (tokens.byteSize() > 0) {
        device.upload(tokens, residual);
      }
    }
  }

  private RowExchange exchange(Matrix residual) {
    return new RowExchange(device, neighbours.all(), wire, staging, residual.dtype());
  }
}
