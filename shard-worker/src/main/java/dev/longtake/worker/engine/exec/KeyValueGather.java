package dev.longtake.worker.engine.exec;

import dev.longtake.common.partition.Range;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.engine.Exchange;
import dev.longtake.worker.engine.program.Split;
import dev.longtake.worker.engine.wire.Wire;
import java.util.List;

/**
 * The all-gather in front of an attention that reaches tokens of other ranks: each rank sends the keys and values of its tokens to
 * all others, and puts those that it gets where they belong in the {@link JointSequence}; so every rank sees all keys in the same
 * order.
 */
final class KeyValueGather {
  private final Device device;
  private final Geometry geometry;
  private final JointSequence sequence;
  private final Exchange exchange;
  private final Wire wire;
  private final Staging staging;

  KeyValueGather(
      Device device,
      Geometry geometry,
      JointSequence sequence,
      Exchange exchange,
      Wire wire,
      Staging staging) {
    this.device = device;
    this.geometry = geometry;
    this.sequence = sequence;
    this.exchange = exchange;
    this.wire = wire;
    this.staging = staging;
  }

  /**
   * What passes through the staging memory.
   *
   * @param columns of keys and values together
   */
  static Staging.Size stage(Geometry geometry, JointSequence sequence, Split split, int columns) {
    if (geometry.ranks() == 1) {
      return Staging.Size.NONE;
    }
    long own = sequence.rowsOf(geometry.rank(), split);
    long bytesOfRow = (long) columns * Float.BYTES;
    return new Staging.Size(own * bytesOfRow, (sequence.rows() - own) * bytesOfRow);
  }

  /**
   * Gathers.
   *
   * @param own this rank's keys and values, rows as in {@code layout}, F32 with any stride
   * @param split that the layout is of
   * @param all rows of the joint sequence, dense F32
   */
  void run(Matrix own, TokenLayout layout, Split split, Matrix all, String what) {
    List<Range> mine = RowRanges.own(layout);
    if (geometry.ranks() == 1) {
      RowRanges.copy(device, own, mine, all, sequence.pieces(geometry.rank(), split));
      return;
    }
    // A token's keys and its values are of different sizes: a row each.
    int columns = all.columns() / 2;
    try (var rows = new RowExchange(device, exchange, wire, staging, all.dtype())) {
      rows.sendAll(2L * RowRanges.rows(mine), columns);
      for (int peer : exchange.others()) {
        rows.receive(peer, 2L * sequence.rowsOf(peer, split), columns);
      }
      rows.begin(what);
      RowRanges.pack(rows, exchange.others().getFirst(), own, mine);
      RowRanges.copy(device, own, mine, all, sequence.pieces(geometry.rank(), split));
      rows.await();
      for (int peer : exchange.others()) {
        RowRanges.upload(device, rows.unpack(peer), all, sequence.pieces(peer, split));
      }
    }
  }
}
