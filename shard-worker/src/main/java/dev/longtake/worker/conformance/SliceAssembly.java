package dev.longtake.worker.conformance;

import dev.longtake.v1.Split;
import dev.longtake.v1.TensorSlice;
import dev.longtake.worker.order.ProtoTensors;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Puts captured tensors together from the ranks' slices. Thread-safe. */
public final class SliceAssembly {
  private static final int TOKEN_AXES = 4;
  private final Map<String, List<TensorSlice>> slices = new LinkedHashMap<>();

  /** Takes a part, in any order. */
  public synchronized void add(TensorSlice slice) {
    slices.computeIfAbsent(slice.getName(), _ -> new ArrayList<>()).add(slice);
  }

  /** All tensors by name, whole. */
  public synchronized Map<String, Captured> assemble() {
    Map<String, Captured> whole = new LinkedHashMap<>();
    slices.forEach((name, parts) -> whole.put(name, assemble(parts)));
    return whole;
  }

  private static Captured assemble(List<TensorSlice> parts) {
    // A rank with nothing of the other axis sends an empty slice; the full ones tell the shape.
    TensorSlice full =
        parts.stream()
            .filter(part -> part.getTensor().getData().size() > 0)
            .findFirst()
            .orElse(parts.getFirst());
    List<Long> shape = new ArrayList<>(full.getTensor().getShapeList());
    int rows = parts.stream().mapToInt(TensorSlice::getRowEnd).max().orElse(0);
    if (rows > 0) {
      shape.set(0, (long) rows);
    }
    if (full.getSplit() == Split.SPLIT_UNSPECIFIED) {
      return assemble(parts, shape, /* axis= */ 0, rows > 0 ? rows : -1);
    }
    int length = parts.stream().mapToInt(TensorSlice::getEnd).max().orElse(0);
    int axis = axis(full);
    shape.set(axis, (long) length);
    return assemble(parts, shape, axis, length);
  }

  /**
   * Puts parts into their places.
   *
   * @param axis that is split; 0 where only rows of the batch are divided
   * @param length of the axis; -1 where every part is the whole
   */
  private static Captured assemble(
      List<TensorSlice> parts, List<Long> shape, int axis, int length) {
    if (length < 0) {
      TensorSlice any = parts.getFirst();
      return new Captured(shape, values(any));
    }
    float[] whole = new float[product(shape, 0, shape.size())];
    int inner = product(shape, axis + 1, shape.size());
    int perRow = axis == 0 ? 0 : product(shape, 1, axis);
    for (TensorSlice part : parts) {
      float[] values = values(part);
      boolean byRows = axis == 0 && part.getSplit() == Split.SPLIT_UNSPECIFIED;
      int start = byRows ? part.getRowStart() : part.getStart();
      int end = byRows ? part.getRowEnd() : part.getEnd();
      int run = (end - start) * inner;
      int blocks = run == 0 ? 0 : values.length / run;
      int firstBlock = part.getRowStart() * perRow;
      for (int block = 0; block < blocks; block++) {
        int at = ((firstBlock + block) * length + start) * inner;
        System.arraycopy(values, block * run, whole, at, run);
      }
    }
    return new Captured(List.copyOf(shape), whole);
  }

  private static int axis(TensorSlice slice) {
    boolean tokens = slice.getTensor().getShapeCount() == TOKEN_AXES;
    return switch (slice.getSplit()) {
      case SPLIT_FRAME -> tokens ? 1 : 2;
      case SPLIT_PATCH -> 2;
      case SPLIT_TEXT -> tokens ? 1 : 0;
      case SPLIT_UNSPECIFIED, UNRECOGNIZED ->
          throw new IllegalStateException("Expected a split tensor, but got " + slice.getName());
    };
  }

  private static int product(List<Long> shape, int from, int to) {
    return Math.toIntExact(shape.subList(from, to).stream().reduce(1L, (a, b) -> a * b));
  }

  private static float[] values(TensorSlice slice) {
    long[] shape = slice.getTensor().getShapeList().stream().mapToLong(Long::longValue).toArray();
    return ProtoTensors.floats(slice.getTensor(), slice.getName(), shape);
  }
}
