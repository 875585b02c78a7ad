package dev.longtake.worker.engine.exec;

import dev.longtake.common.partition.Range;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.Matrix;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/** Ranges of a matrix's rows that travel behind each other as dense rows. */
final class RowRanges {
  private RowRanges() {}

  /** A rank's own rows, in the order of {@link JointSequence#pieces}. */
  static List<Range> own(TokenLayout layout) {
    List<Range> pieces = new ArrayList<>();
    for (int branch = 0; branch < layout.branches().size(); branch++) {
      if (!layout.text().isEmpty()) {
        pieces.add(layout.textRows(branch));
      }
      pieces.add(layout.patchRows(branch));
    }
    return pieces;
  }

  static int rows(List<Range> pieces) {
    return pieces.stream().mapToInt(Range::size).sum();
  }

  /** Writes the pieces to a peer, one behind the other. */
  static void pack(RowExchange rows, int peer, Matrix matrix, List<Range> pieces) {
    for (Range piece : pieces) {
      if (!piece.isEmpty()) {
        rows.pack(peer, matrix.rows(piece.start(), piece.end()));
      }
    }
  }

  static void upload(Device device, MemorySegment source, Matrix matrix, List<Range> pieces) {
    long at = 0;
    for (Range piece : pieces) {
      long bytes = bytes(matrix, piece);
      if (bytes > 0) {
        device.upload(source.asSlice(at, bytes), matrix.rows(piece.start(), piece.end()));
      }
      at += bytes;
    }
  }

  /** The rows of one list to those of another; both have as many in all, cut differently. */
  static void copy(
      Device device, Matrix from, List<Range> fromPieces, Matrix to, List<Range> toPieces) {
    int source = 0;
    int sourceDone = 0;
    for (Range target : toPieces) {
      int done = 0;
      while (done < target.size()) {
        Range piece = fromPieces.get(source);
        int count = Math.min(piece.size() - sourceDone, target.size() - done);
        if (count > 0 && from.columns() > 0) {
          int first = piece.start() + sourceDone;
          int start = target.start() + done;
          device.copy(from.rows(first, first + count), to.rows(start, start + count));
        }
        done += count;
        sourceDone += count;
        if (sourceDone == piece.size()) {
          source++;
          sourceDone = 0;
        }
      }
    }
  }

  private static long bytes(Matrix matrix, Range piece) {
    return (long) piece.size() * matrix.columns() * matrix.dtype().sizeBytes();
  }
}
