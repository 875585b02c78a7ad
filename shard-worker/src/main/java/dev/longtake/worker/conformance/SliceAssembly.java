package dev.longtake.worker.conformance;

import dev.longtake.v1.Split;
import dev.longtake.v1.TensorSlice;
import dev.longtake.worker.order.ProtoTensors;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Puts captured tensors together from the ranks' slices. Thread-safe. */
final class SliceAssembly {
  private static final int TOKEN_AXES = 4;
  private final Map<String, List<TensorSlice>> slices = new LinkedHashMap<>();

  synchronized void add(TensorSlice slice) {
    slices.computeIfAbsent(slice.getName(), _ -> new ArrayList<>()).add(slice);
  }

  synchronized Map<String, Captured> assemble() {
    Map<String, Captured> whole = new LinkedHashMap<>();
    slices.forEach((name, parts) -> whole.put(name, assemble(parts)));
    return whole;
  }

  private static Captured assemble(List<TensorSlice> parts) {
    TensorSlice first = parts.getFirst();
    if (first.getSplit() == Split.SPLIT_UNSPECIFIED) {
      return new Captured(first.getTensor().getShapeList(), values(first));
    }
    // A rank with nothing of the other axis sends an empty slice; the full ones tell the shape.
    TensorSlice full =
        parts.stream()
            .filter(part -> part.getTensor().getData().size() > 0)
            .findFirst()
            .orElse(first);
    int axis = axis(full);
    int length = parts.stream().mapToInt(TensorSlice::getEnd).max().orElse(0);
    List<Long> shape = new ArrayList<>(full.getTensor().getShapeList());
    shape.set(axis, (long) length);
    int inner = product(shape, axis + 1, shape.size());
    int outer = product(shape, 0, axis);
    float[] whole = new float[outer * length * inner];
    for (TensorSlice part : parts) {
      float[] values = values(part);
      int run = (part.getEnd() - part.getStart()) * inner;
      for (int block = 0; block < outer && values.length > 0; block++) {
        int at = (block * length + part.getStart()) * inner;
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
      case SPLIT_TEXT -> 1;
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
