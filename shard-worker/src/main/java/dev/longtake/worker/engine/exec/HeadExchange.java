package dev.longtake.worker.engine.exec;

import dev.longtake.common.partition.Range;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.engine.Exchange;
import dev.longtake.worker.engine.program.Split;
import dev.longtake.worker.engine.wire.Wire;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * The head exchange around an attention (Ulysses, arXiv 2309.14509): from all heads of the rank's own tokens to all tokens of the
 * rank's own heads, and back with the result. Heads are divided among the ranks like tokens, so any number of heads goes with any
 * number of ranks; a rank without a head only gives and gets. Tokens stand in the order of the {@link JointSequence}.
 */
final class HeadExchange {
  private static final int QKV = 3;

  private final Device device;
  private final Geometry geometry;
  private final JointSequence sequence;
  private final Exchange exchange;
  private final Wire wire;
  private final Staging staging;
  private final int heads;
  private final int headColumns;

  /**
   * An exchange for attentions of one shape.
   *
   * @param heads of the whole attention
   * @param headColumns D
   */
  HeadExchange(
      Device device,
      Geometry geometry,
      JointSequence sequence,
      Exchange exchange,
      Wire wire,
      Staging staging,
      int heads,
      int headColumns) {
    this.device = device;
    this.geometry = geometry;
    this.sequence = sequence;
    this.exchange = exchange;
    this.wire = wire;
    this.staging = staging;
    this.heads = heads;
    this.headColumns = headColumns;
  }

  /** What passes through the staging memory: on the way there, or back if that is more. */
  static Staging.Size stage(
      Geometry geometry, JointSequence sequence, Split split, int heads, int headColumns) {
    long own = sequence.rowsOf(geometry.rank(), split);
    long others = sequence.rows() - own;
    long mine = (long) geometry.headRange(heads, geometry.rank()).size() * headColumns;
    long theirs = (long) heads * headColumns - mine;
    Staging.Size there =
        new Staging.Size(QKV * own * theirs * Float.BYTES, QKV * others * mine * Float.BYTES);
    Staging.Size back = new Staging.Size(others * mine * Float.BYTES, own * theirs * Float.BYTES);
    return there.or(back);
  }

  /** The columns of a rank's heads. */
  Range columns(int ofRank) {
    Range held = geometry.headRange(heads, ofRank);
    return new Range(held.start() * headColumns, held.end() * headColumns);
  }

  /**
   * Gets all tokens of this rank's heads.
   *
   * @param own q, k and v of this rank's tokens, [rows of {@code layout}, 3C] F32
   * @param all [joint rows, 3 * columns of this rank's heads] F32
   */
  void scatter(Matrix own, TokenLayout layout, Split split, Matrix all, String what) {
    List<Range> mine = RowRanges.own(layout);
    Range held = columns(geometry.rank());
    try (var rows = new RowExchange(device, exchange, wire, staging, own.dtype())) {
      for (int peer : exchange.others()) {
        rows.send(peer, (long) QKV * RowRanges.rows(mine), columns(peer).size());
        rows.receive(peer, (long) QKV * sequence.rowsOf(peer, split), held.size());
      }
      rows.begin(what);
      for (int peer : exchange.others()) {
        for (int i = 0; i < QKV; i++) {
          RowRanges.pack(rows, peer, third(own, i, columns(peer)), mine);
        }
      }
      for (int i = 0; i < QKV; i++) {
        Matrix target = part(all, i, held.size());
        RowRanges.copy(
            device, third(own, i, held), mine, target, sequence.pieces(geometry.rank(), split));
      }
      rows.await();
      for (int peer : exchange.others()) {
        MemorySegment received = rows.unpack(peer);
        long part = received.byteSize() / QKV;
        for (int i = 0; i < QKV; i++) {
          RowRanges.upload(
              device,
              received.asSlice(i * part, part),
              part(all, i, held.size()),
              sequence.pieces(peer, split));
        }
      }
    }
  }

  /**
   * Gets all heads of this rank's tokens.
   *
   * @param all the result for this rank's heads, [joint rows, columns of this rank's heads]
   * @param own [rows of {@code layout}, C] of the same type, with any stride
   */
  void collect(Matrix all, Matrix own, TokenLayout layout, Split split, String what) {
    List<Range> mine = RowRanges.own(layout);
    Range held = columns(geometry.rank());
    try (var rows = new RowExchange(device, exchange, wire, staging, all.dtype())) {
      for (int peer : exchange.others()) {
        rows.send(peer, sequence.rowsOf(peer, split), held.size());
        rows.receive(peer, RowRanges.rows(mine), columns(peer).size());
      }
      rows.begin(what);
      for (int peer : exchange.others()) {
        RowRanges.pack(rows, peer, all, sequence.pieces(peer, split));
      }
      RowRanges.copy(
          device,
          all,
          sequence.pieces(geometry.rank(), split),
          own.columns(held.start(), held.end()),
          mine);
      rows.await();
      for (int peer : exchange.others()) {
        Range theirs = columns(peer);
        RowRanges.upload(
            device, rows.unpack(peer), own.columns(theirs.start(), theirs.end()), mine);
      }
    }
  }

  /** Some columns of q, k or v, which stand side by side. */
  private Matrix third(Matrix qkv, int index, Range columns) {
    int from = index * heads * headColumns;
    return qkv.columns(from + columns.start(), from + columns.end());
  }

  private static Matrix part(Matrix all, int index, int columns) {
    return all.columns(index * columns, (index + 1) * columns);
  }
}
