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
    staging.begin();
    MemorySegment tokens = staging.outgoing(bytes(residual));
    if (tokens.byteSize() > 0) {
      device.download(residual, tokens);
    }
    MemorySegment packed = wire.pack(tokens, residual.columns(), residual.dtype());
    neighbours.all().send(neighbours.next(), packed, what);
  }

  void receive(Matrix residual, String what) {
    staging.begin();
    MemorySegment tokens = staging.incoming(bytes(residual));
    MemorySegment room = wire.room(tokens, residual.columns(), residual.dtype());
    neighbours.all().receive(neighbours.previous(), room, what);
    wire.unpack(tokens, residual.columns(), residual.dtype());
    if (tokens.byteSize() > 0) {
      device.upload(tokens, residual);
    }
  }

  private static long bytes(Matrix matrix) {
    return (long) matrix.rows() * matrix.columns() * matrix.dtype().sizeBytes();
  }
}
