package dev.longtake.ops.model;

import dev.longtake.common.checkpoint.Piece;
import dev.longtake.common.checkpoint.WeightNames;
import dev.longtake.worker.engine.program.LinearSpec;
import dev.longtake.worker.engine.program.Program;
import dev.longtake.worker.engine.program.TensorSpec;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The tensors of a checkpoint that has just what a program needs, in the program's order. */
final class FileTensors {
  private final WeightNames names;
  private final Map<String, List<Long>> shapes = new LinkedHashMap<>();

  private FileTensors(WeightNames names) {
    this.names = names;
  }

  /**
   * Shapes by the file's names.
   *
   * @param names from the program's names to the file's
   */
  static Map<String, List<Long>> of(Program program, WeightNames names) {
    FileTensors tensors = new FileTensors(names);
    for (LinearSpec linear : program.linears()) {
      tensors.add(linear.layer() + ".weight", linear.shape());
      tensors.add(linear.layer() + ".bias", List.of(linear.outputColumns()));
    }
    for (TensorSpec tensor : program.tensors()) {
      tensors.add(tensor.name(), tensor.shape());
    }
    return tensors.shapes;
  }

  /** Rows that the layout leaves open are shared evenly by the pieces: a fused q, k and v are thirds. */
  private void add(String name, List<Integer> shape) {
    List<Piece> pieces = names.pieces(name);
    if (pieces.isEmpty()) {
      put(name, shape.stream().map(Integer::longValue).toList());
      return;
    }
    long known = 0;
    int open = 0;
    for (Piece piece : pieces) {
      if (piece.rowEnd() == Piece.ALL_ROWS) {
        open++;
      } else {
        known += piece.rowEnd() - piece.rowStart();
      }
    }
    long share = open == 0 ? 0 : (shape.getFirst() - known) / open;
    for (Piece piece : pieces) {
      long end = piece.rowEnd() == Piece.ALL_ROWS ? piece.rowStart() + share : piece.rowEnd();
      List<Long> whole = new ArrayList<>(shape.stream().map(Integer::longValue).toList());
      whole.set(0, end);
      put(piece.tensor(), whole);
    }
  }

  /** Where several of the program's tensors are rows of one, the last rows decide. */
  private void put(String name, List<Long> shape) {
    shapes.merge(name, shape, (old, now) -> old.getFirst() > now.getFirst() ? old : now);
  }
}
