package dev.longtake.worker.engine.exec;

import dev.longtake.common.tensor.DType;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.DeviceBuffer;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.device.Term;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;

/** The change that the first block makes to the residual stream, {@code [tokens, C]} F32, now and in the last step that was computed. */
final class FirstBlockChange {
  /** Rows are compared on the host in pieces of about this size. */
  private static final int PIECE_BYTES = 1 << 20;

  private DeviceBuffer now;
  private DeviceBuffer before;

  FirstBlockChange(DeviceBuffer now, DeviceBuffer before) {
    this.now = now;
    this.before = before;
  }

  /** The first block is about to change the residual stream. */
  void begin(Device device, Matrix residual) {
    device.copy(residual, like(residual, now));
  }

  /** It has. */
  void end(Device device, Matrix residual) {
    Matrix change = like(residual, now);
    device.combine(
        change, List.of(new Term(residual, new float[] {1}), new Term(change, new float[] {-1})));
  }

  /** The step is computed: later ones compare with its change. */
  void remember() {
    DeviceBuffer older = before;
    before = now;
    now = older;
  }

  /** Compares the two; each token's sums run over its channels in their order, in float64. */
  ChangeSums compare(Device device, Matrix residual) {
    int columns = residual.columns();
    int piece = Math.max(1, PIECE_BYTES / (columns * Float.BYTES));
    ChangeSums sums = ChangeSums.NONE;
    try (Arena arena = Arena.ofConfined()) {
      long bytes = (long) Math.min(piece, residual.rows()) * columns * Float.BYTES;
      MemorySegment ofNow = arena.allocate(bytes, 64);
      MemorySegment ofBefore = arena.allocate(bytes, 64);
      for (int from = 0; from < residual.rows(); from += piece) {
        int to = Math.min(residual.rows(), from + piece);
        device.download(like(residual, now).rows(from, to), part(ofNow, to - from, columns));
        device.download(like(residual, before).rows(from, to), part(ofBefore, to - from, columns));
        for (int row = 0; row < to - from; row++) {
          sums = add(sums, ofNow, ofBefore, (long) row * columns, columns);
        }
      }
    }
    return sums;
  }

  private static MemorySegment part(MemorySegment segment, int rows, int columns) {
    return segment.asSlice(0, (long) rows * columns * Float.BYTES);
  }

  private static ChangeSums add(
      ChangeSums sums, MemorySegment ofNow, MemorySegment ofBefore, long first, int columns) {
    double difference = 0;
    double magnitude = 0;
    for (long i = first; i < first + columns; i++) {
      double older = ofBefore.getAtIndex(ValueLayout.JAVA_FLOAT, i);
      difference += Math.abs(ofNow.getAtIndex(ValueLayout.JAVA_FLOAT, i) - older);
      magnitude += Math.abs(older);
    }
    return sums.plus(difference / columns, magnitude / columns);
  }

  private static Matrix like(Matrix residual, DeviceBuffer buffer) {
    return Matrix.dense(buffer, residual.rows(), residual.columns(), DType.F32);
  }
}
