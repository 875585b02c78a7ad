package dev.longtake.worker.engine.exec;

import dev.longtake.common.partition.Range;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.engine.Exchange;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The all-gather in front of an attention over all tokens: each rank sends the keys and values of its tokens to all others, and
 * puts those that it gets where they belong in the {@link JointSequence}; so every rank sees all keys in the same order. Owns
 * its staging memory, one payload of each rank.
 */
final class KeyValueGather implements AutoCloseable {
  private final Device device;
  private final Geometry geometry;
  private final JointSequence sequence;
  private final Exchange exchange;
  private final Arena arena = Arena.ofShared();
  private final @Nullable MemorySegment[] stages;

  /**
   * @param columns of keys and values together
   */
  KeyValueGather(
      Device device, Geometry geometry, JointSequence sequence, Exchange exchange, int columns) {
    this.device = device;
    this.geometry = geometry;
    this.sequence = sequence;
    this.exchange = exchange;
    stages = new MemorySegment[geometry.ranks()];
    try {
      for (int rank = 0; geometry.ranks() > 1 && rank < stages.length; rank++) {
        stages[rank] = arena.allocate(stageBytes(geometry, sequence, rank, columns), 64);
      }
    } catch (Throwable e) {
      arena.close();
      throw e;
    }
  }

  /** Host memory of one rank's payload. */
  static long stageBytes(Geometry geometry, JointSequence sequence, int ofRank, int columns) {
    return pieces(geometry, sequence, ofRank).stream().mapToLong(Range::size).sum()
        * columns
        * Float.BYTES;
  }

  /**
   * Gathers.
   *
   * @param own this rank's keys and values, rows as in {@code layout}, F32 with any stride
   * @param all rows of the joint sequence, dense F32
   */
  void run(Matrix own, TokenLayout layout, Matrix all, String what) {
    copyOwn(own, layout, all);
    int ranks = geometry.ranks();
    if (ranks == 1) {
      return;
    }
    MemorySegment mine = download(own, layout);
    @Nullable MemorySegment[] outgoing = new MemorySegment[ranks];
    @Nullable MemorySegment[] incoming = new MemorySegment[ranks];
    for (int peer = 0; peer < ranks; peer++) {
      if (peer != geometry.rank()) {
        outgoing[peer] = mine;
        incoming[peer] = stages[peer];
      }
    }
    exchange.allToAll(outgoing, incoming, what);
    for (int peer = 0; peer < ranks; peer++) {
      MemorySegment received = incoming[peer];
      if (received != null) {
        upload(received, peer, all);
      }
    }
  }

  /** A rank's rows in the joint sequence, in the order they travel. */
  private List<Range> pieces(int ofRank) {
    return pieces(geometry, sequence, ofRank);
  }

  private static List<Range> pieces(Geometry geometry, JointSequence sequence, int ofRank) {
    List<Range> pieces = new ArrayList<>();
    boolean text = !sequence.textRanges(ofRank).isEmpty();
    for (int branch = 0; branch < geometry.branches(); branch++) {
      if (text) {
        pieces.add(sequence.textRows(branch, ofRank));
      }
      pieces.add(sequence.patchRows(branch, ofRank));
    }
    return pieces;
  }

  /** The same pieces as rows of this rank's own matrices. */
  private List<Range> ownPieces(TokenLayout layout) {
    List<Range> pieces = new ArrayList<>();
    for (int branch = 0; branch < geometry.branches(); branch++) {
      if (!layout.text().isEmpty()) {
        pieces.add(layout.textRows(branch));
      }
      pieces.add(layout.patchRows(branch));
    }
    return pieces;
  }

  private void copyOwn(Matrix own, TokenLayout layout, Matrix all) {
    List<Range> from = ownPieces(layout);
    List<Range> to = pieces(geometry.rank());
    for (int i = 0; i < from.size(); i++) {
      if (!from.get(i).isEmpty()) {
        device.copy(rows(own, from.get(i)), rows(all, to.get(i)));
      }
    }
  }

  private MemorySegment download(Matrix own, TokenLayout layout) {
    MemorySegment stage = stages[geometry.rank()];
    if (stage == null) {
      throw new IllegalStateException("Expected a gang of several ranks");
    }
    long at = 0;
    for (Range piece : ownPieces(layout)) {
      long bytes = (long) piece.size() * own.columns() * Float.BYTES;
      if (bytes > 0) {
        device.download(rows(own, piece), stage.asSlice(at, bytes));
      }
      at += bytes;
    }
    return stage;
  }

  private void upload(MemorySegment received, int peer, Matrix all) {
    long at = 0;
    for (Range piece : pieces(peer)) {
      long bytes = (long) piece.size() * all.columns() * Float.BYTES;
      if (bytes > 0) {
        device.upload(received.asSlice(at, bytes), rows(all, piece));
      }
      at += bytes;
    }
  }

  private static Matrix rows(Matrix matrix, Range range) {
    return matrix.rows(range.start(), range.end());
  }

  @Override
  public void close() {
    arena.close();
  }
}
