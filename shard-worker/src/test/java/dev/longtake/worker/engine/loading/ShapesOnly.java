package dev.longtake.worker.engine.loading;

import dev.longtake.common.checkpoint.Checkpoint;
import dev.longtake.common.checkpoint.Piece;
import dev.longtake.common.checkpoint.TensorInfo;
import dev.longtake.common.tensor.DType;
import dev.longtake.worker.engine.model.CatalogModel;
import dev.longtake.worker.engine.program.Program;
import dev.longtake.worker.engine.program.ProgramCheck;
import dev.longtake.worker.engine.program.TensorSpec;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;

/** Names and shapes of a checkpoint of any size, without a file; values only of tables that are added. */
final class ShapesOnly implements Checkpoint {
  private final SortedMap<String, TensorInfo> tensors = new TreeMap<>();
  private final Map<String, float[]> values = new HashMap<>();

  /** All tensors of a model, under the names of its layout. */
  static ShapesOnly of(CatalogModel model) {
    SortedMap<String, List<Long>> shapes = new TreeMap<>();
    for (TensorSpec spec : ProgramCheck.weights(Program.compile(model.description(), 1))) {
      List<Piece> pieces = model.names().pieces(spec.name());
      List<Long> shape = spec.shape().stream().map(Integer::longValue).toList();
      if (pieces.isEmpty()) {
        shapes.put(spec.name(), shape);
      } else {
        add(shapes, pieces, shape);
      }
    }
    ShapesOnly checkpoint = new ShapesOnly();
    shapes.forEach(checkpoint::add);
    return checkpoint;
  }

  /** Divides the rows among the pieces: known ranges first, the rest evenly. */
  private static void add(
      SortedMap<String, List<Long>> shapes, List<Piece> pieces, List<Long> shape) {
    long known =
        pieces.stream()
            .filter(piece -> piece.rowEnd() != Piece.ALL_ROWS)
            .mapToLong(piece -> piece.rowEnd() - piece.rowStart())
            .sum();
    long open = pieces.stream().filter(piece -> piece.rowEnd() == Piece.ALL_ROWS).count();
    for (Piece piece : pieces) {
      long rows =
          piece.rowEnd() == Piece.ALL_ROWS
              ? (shape.getFirst() - known) / open
              : piece.rowEnd() - piece.rowStart();
      List<Long> stored = new ArrayList<>(shape);
      List<Long> before = shapes.get(piece.tensor());
      stored.set(0, rows + (before == null ? 0 : before.getFirst()));
      shapes.put(piece.tensor(), stored);
    }
  }

  ShapesOnly add(String name, List<Long> shape) {
    long bytes = shape.stream().reduce(4L, (a, b) -> a * b);
    tensors.put(name, new TensorInfo(name, DType.F32, shape, bytes));
    return this;
  }

  /** A table [1, tokens, channels] with values. */
  ShapesOnly add(String name, float[] table, int channels) {
    values.put(name, table);
    return add(name, List.of(1L, (long) table.length / channels, (long) channels));
  }

  ShapesOnly remove(String name) {
    if (tensors.remove(name) == null) {
      throw new AssertionError("no " + name);
    }
    return this;
  }

  @Override
  public String location() {
    return "weights.pth";
  }

  @Override
  public Set<String> names() {
    return tensors.keySet();
  }

  @Override
  public Optional<TensorInfo> info(String name) {
    return Optional.ofNullable(tensors.get(name));
  }

  @Override
  public MemorySegment bytes(String name, Arena arena) {
    float[] table = values.get(name);
    if (table == null) {
      throw new AssertionError("Nobody should read " + name);
    }
    return arena.allocateFrom(ValueLayout.JAVA_FLOAT, table);
  }

  @Override
  public void close() {}
}
