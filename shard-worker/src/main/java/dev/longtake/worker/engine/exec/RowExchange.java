package dev.longtake.worker.engine.exec;

import dev.longtake.common.tensor.DType;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.engine.Exchange;
import dev.longtake.worker.engine.ExchangePoint;
import dev.longtake.worker.engine.wire.Wire;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * One exchange of rows, which pass through the staging memory in the wire's format. First it is said what goes and comes ({@link #send},
 * {@link #receive}), then rows are written ({@link #pack}) and leave piece by piece, then those that came are read ({@link #unpack}).
 */
final class RowExchange implements AutoCloseable {
  /** What is packed leaves in pieces of about this size, so that a network has work while the rest is packed. */
  private static final int PIECE_BYTES = 1 << 20;

  /** Rows in the staging memory. */
  private static final class Rows {
    final MemorySegment memory;
    final int columns;
    long written;
    long packed;

    Rows(MemorySegment memory, int columns) {
      this.memory = memory;
      this.columns = columns;
    }
  }

  private final Device device;
  private final Exchange exchange;
  private final Wire wire;
  private final Staging staging;
  private final DType dtype;
  private final @Nullable Rows[] out;
  private final @Nullable Rows[] in;
  private @Nullable ExchangePoint point;

  /** Takes the staging memory: the exchange before has ended. */
  RowExchange(Device device, Exchange exchange, Wire wire, Staging staging, DType dtype) {
    this.device = device;
    this.exchange = exchange;
    this.wire = wire;
    this.staging = staging;
    this.dtype = dtype;
    this.out = new Rows[exchange.ranks()];
    this.in = new Rows[exchange.ranks()];
    staging.begin();
  }

  /** This many rows will go to a peer. */
  void send(int peer, long rows, int columns) {
    out[peer] = new Rows(staging.outgoing(bytes(rows, columns)), columns);
  }

  /** The same rows will go to all peers. */
  void sendAll(long rows, int columns) {
    var shared = new Rows(staging.outgoing(bytes(rows, columns)), columns);
    for (int peer : exchange.others()) {
      out[peer] = shared;
    }
  }

  /** This many rows will come from a peer. */
  void receive(int peer, long rows, int columns) {
    in[peer] = new Rows(staging.incoming(bytes(rows, columns)), columns);
  }

  private long bytes(long rows, int columns) {
    return rows * columns * dtype.sizeBytes();
  }

  /** All is said that goes and comes. */
  void begin(String what) {
    @Nullable MemorySegment[] outgoing = new MemorySegment[out.length];
    @Nullable MemorySegment[] incoming = new MemorySegment[in.length];
    for (int peer = 0; peer < out.length; peer++) {
      Rows sent = out[peer];
      if (sent != null) {
        outgoing[peer] = wire.packed(sent.memory, sent.columns, dtype);
      }
      Rows received = in[peer];
      if (received != null) {
        incoming[peer] = wire.room(received.memory, received.columns, dtype);
      }
    }
    point = exchange.begin(outgoing, incoming, what);
  }

  /**
   * Writes the next rows to a peer, or to all that get the same.
   *
   * @param source with whatever shape has as many values as the rows
   */
  void pack(int peer, Matrix source) {
    Rows rows = of(out, peer);
    int rowBytes = source.columns() * dtype.sizeBytes();
    if (rowBytes == 0) {
      return;
    }
    int step = Math.max(1, PIECE_BYTES / rowBytes);
    for (int row = 0; row < source.rows(); row += step) {
      Matrix piece = source.rows(row, Math.min(row + step, source.rows()));
      long bytes = (long) piece.rows() * rowBytes;
      device.download(piece, rows.memory.asSlice(rows.written, bytes));
      rows.written += bytes;
      rows.packed = wire.pack(rows.memory, rows.columns, dtype, rows.written, rows.packed);
      for (int other = 0; other < out.length; other++) {
        if (out[other] == rows) {
          begun().ready(other, rows.packed);
        }
      }
    }
  }

  /** Waits for what comes. */
  void await() {
    var _ = begun().await();
  }

  /** What came from a peer: [rows, columns], dense. */
  MemorySegment unpack(int peer) {
    Rows rows = of(in, peer);
    wire.unpack(rows.memory, rows.columns, dtype);
    return rows.memory;
  }

  private static Rows of(@Nullable Rows[] all, int peer) {
    Rows rows = all[peer];
    if (rows == null) {
      throw new IllegalStateException("Expected rows of peer " + peer);
    }
    return rows;
  }

  private ExchangePoint begun() {
    if (point == null) {
      throw new IllegalStateException("Expected an exchange that has begun");
    }
    return point;
  }

  @Override
  public void close() {
    if (point != null) {
      point.close();
    }
  }
}
