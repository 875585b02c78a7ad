package dev.longtake.worker.order;

import dev.longtake.common.partition.Range;
import dev.longtake.common.tensor.Bfloat16;
import dev.longtake.common.tensor.DType;
import dev.longtake.v1.Split;
import dev.longtake.v1.Tensor;
import dev.longtake.v1.TensorSlice;
import dev.longtake.v1.WorkEvent;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.engine.exec.Floats;
import dev.longtake.worker.engine.exec.Geometry;
import dev.longtake.worker.engine.exec.Tap;
import dev.longtake.worker.engine.exec.TokenLayout;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** Sends this rank's part of each captured tensor, of some rows of the batch. */
final class SliceTap implements Tap {
  /** What is not divided by rows of the batch. */
  private static final Range ALL_ROWS = new Range(0, 0);

  private final Device device;
  private final Geometry geometry;
  private final Range rows;
  private final int firstText;
  private final Set<String> names;
  private final Consumer<WorkEvent> events;

  /**
   * A tap for some rows.
   *
   * @param rows of the batch that values are of
   * @param firstText text tokens of the rows before them
   * @param events takes events of several threads at once
   */
  SliceTap(
      Device device,
      Geometry geometry,
      Range rows,
      int firstText,
      Collection<String> names,
      Consumer<WorkEvent> events) {
    this.device = device;
    this.geometry = geometry;
    this.rows = rows;
    this.firstText = firstText;
    this.names = Set.copyOf(names);
    this.events = events;
  }

  @Override
  public boolean wants(String name) {
    return names.contains(name);
  }

  @Override
  public void take(String name, Matrix value, @Nullable TokenLayout layout) {
    if (layout == null) {
      whole(name, floats(value), List.of((long) value.rows(), (long) value.columns()), rows);
      return;
    }
    int patches = geometry.patching().patchesPerFrame();
    boolean byFrame = layout.patches().size() == patches;
    Range range = byFrame ? layout.frames() : layout.patches();
    List<Long> shape =
        List.of(
            (long) layout.branches().size(),
            (long) layout.frames().size(),
            (long) layout.patches().size(),
            (long) value.columns());
    Split split = byFrame ? Split.SPLIT_FRAME : Split.SPLIT_PATCH;
    int first = rows.start() + layout.branches().start();
    Range ofRows = new Range(first, first + layout.branches().size());
    send(name, floats(value), shape, split, range, ofRows);
  }

  @Override
  public void takeText(String name, Matrix value, List<Range> tokens) {
    float[] values = floats(value);
    int at = 0;
    for (Range range : tokens) {
      int columns = value.columns();
      float[] part = Arrays.copyOfRange(values, at, at + range.size() * columns);
      List<Long> shape = List.of(1L, (long) range.size(), 1L, (long) columns);
      send(name, part, shape, Split.SPLIT_TEXT, ofAll(range), ALL_ROWS);
      at += part.length;
    }
  }

  @Override
  public void takeWholeText(String name, Matrix value, int firstToken) {
    if (geometry.rank() == 0) {
      List<Long> shape = List.of((long) value.rows(), (long) value.columns());
      Range tokens = ofAll(new Range(firstToken, firstToken + value.rows()));
      send(name, floats(value), shape, Split.SPLIT_TEXT, tokens, ALL_ROWS);
    }
  }

  private Range ofAll(Range tokens) {
    return new Range(firstText + tokens.start(), firstText + tokens.end());
  }

  /** Something that every rank knows and that does not depend on the row; the first sequence rank sends it. */
  void whole(String name, float[] values, List<Long> shape) {
    whole(name, values, shape, ALL_ROWS);
  }

  private void whole(String name, float[] values, List<Long> shape, Range ofRows) {
    if (geometry.rank() == 0) {
      send(name, values, shape, Split.SPLIT_UNSPECIFIED, new Range(0, 0), ofRows);
    }
  }

  /** Latents of this rank's frames and of all samples, rows [sample, channel, frame]. */
  void latents(String name, Matrix value, int channels) {
    latents(name, value, channels, ALL_ROWS);
  }

  /** The same of some rows of the batch. */
  void latents(String name, Matrix value, int channels, Range ofRows) {
    if (!geometry.latentFrames().isEmpty()) {
      TensorSlice slice = slice(name, value, channels, ofRows);
      events.accept(WorkEvent.newBuilder().setTensor(slice).build());
    }
  }

  /** Latents of this rank's frames, of which there are some, and of all samples, without sending them. */
  TensorSlice slice(String name, Matrix value, int channels) {
    return slice(name, value, channels, ALL_ROWS);
  }

  private TensorSlice slice(String name, Matrix value, int channels, Range ofRows) {
    Range frames = geometry.latentFrames();
    List<Long> shape =
        List.of(
            (long) value.rows() / channels / frames.size(),
            (long) channels,
            (long) frames.size(),
            (long) geometry.patching().height(),
            (long) geometry.patching().width());
    return slice(name, ProtoTensors.of(device, value, shape), Split.SPLIT_FRAME, frames, ofRows);
  }

  private void send(
      String name, float[] values, List<Long> shape, Split split, Range range, Range ofRows) {
    TensorSlice slice = slice(name, ProtoTensors.of(values, shape), split, range, ofRows);
    events.accept(WorkEvent.newBuilder().setTensor(slice).build());
  }

  private static TensorSlice slice(
      String name, Tensor tensor, Split split, Range range, Range ofRows) {
    return TensorSlice.newBuilder()
        .setName(name)
        .setTensor(tensor)
        .setSplit(split)
        .setStart(range.start())
        .setEnd(range.end())
        .setRowStart(ofRows.start())
        .setRowEnd(ofRows.end())
        .build();
  }

  private float[] floats(Matrix value) {
    if (value.dtype() == DType.F32) {
      return Floats.download(device, value);
    }
    float[] values = new float[Math.multiplyExact(value.rows(), value.columns())];
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment host = arena.allocate(2L * values.length, 64);
      device.download(value, host);
      for (int i = 0; i < values.length; i++) {
        values[i] = Bfloat16.toFloat(host.getAtIndex(ValueLayout.JAVA_SHORT, i));
      }
    }
    return values;
  }
}
