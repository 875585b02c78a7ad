package dev.longtake.worker.device;

import static dev.longtake.worker.device.Lab.assertSameBits;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.junit.jupiter.api.Test;

/** What every device must do. A device's own test extends it and says how to open one. */
public abstract class DeviceContract extends ViewContract {
  @Test
  void shouldCountByTagWhenBuffersComeAndGo() {
    DeviceMemory memory = device.memory();
    long before = memory.usedBytes();
    DeviceBuffer a = memory.allocate(1000, "first");
    DeviceBuffer b = memory.allocate(500, "second");
    DeviceBuffer c = memory.allocate(24, "first");
    assertThat(a.sizeBytes()).isEqualTo(1000);
    assertThat(memory.usedBytes()).isEqualTo(before + 1524);
    assertThat(memory.usedBytesByTag())
        .containsAllEntriesOf(Map.of("first", 1024L, "second", 500L));
    a.close();
    b.close();
    b.close();
    assertThat(memory.usedBytes()).isEqualTo(before + 24);
    assertThat(memory.usedBytesByTag()).containsEntry("first", 24L).doesNotContainKey("second");
    assertThat(memory.peakBytes()).isEqualTo(before + 1524);
    c.close();
  }

  @Test
  void shouldBeIdleOrBusyOrNotKnow() {
    for (int call = 0; call < 2; call++) {
      double utilization = device.utilization();
      assertThat(Double.isNaN(utilization) || (utilization >= 0 && utilization <= 1))
          .as("utilization %s", utilization)
          .isTrue();
    }
  }

  @Test
  void shouldRunEachTaskOnceAndNoTwoOfAStrandAtOnceWhenParallel() {
    int columns = 48;
    int tasks = 50;
    Matrix in = lab.normal(tasks, columns, DType.F32);
    Matrix table = lab.normal(1, columns, DType.F32);
    Matrix expected = lab.zeros(tasks, columns, DType.F32);
    Matrix out = lab.zeros(tasks, columns, DType.F32);
    device.copy(in, expected);
    device.addRows(expected, table, 1);
    AtomicIntegerArray running = new AtomicIntegerArray(device.grain().strands());

    device.parallel(
        tasks,
        (kernels, strand, task) -> {
          assertThat(running.incrementAndGet(strand)).isEqualTo(1);
          kernels.copy(in.rows(task, task + 1), out.rows(task, task + 1));
          // A second time would show.
          kernels.addRows(out.rows(task, task + 1), table, 1);
          running.decrementAndGet(strand);
        });

    assertSameBits(lab.read(out), lab.read(expected), "tasks");
  }

  @Test
  void shouldRethrowAndGoOnWhenATaskFails() {
    var failure = new IllegalStateException("planted");
    assertThatThrownBy(() ->
            device.parallel(
                20,
                (_, _, task) -> {
                  if (task == 7) {
                    throw failure;
                  }
                }))
        .isSameAs(failure);
    device.parallel(
        0,
        (_, _, _) -> {
          throw failure;
        });
    assertThat(lab.read(lab.zeros(2, 3, DType.F32))).containsOnly(0);
  }

  @Test
  void shouldHandOutZerosWhenMemoryIsUsedAgain() {
    for (int round = 0; round < 3; round++) {
      try (DeviceBuffer buffer = device.memory().allocate(4096, "test")) {
        Matrix matrix = Matrix.dense(buffer, 1, 1024, DType.F32);
        assertThat(lab.read(matrix)).containsOnly(0);
        lab.put(matrix, lab.values(1024));
      }
    }
  }

  @Test
  void shouldNameTheNumbersWhenMemoryIsExhausted() {
    try (DeviceBuffer held = device.memory().allocate(1000, "weights")) {
      assertThat(held.sizeBytes()).isEqualTo(1000);
      assertThatThrownBy(() -> device.memory().allocate(LIMIT_BYTES, "activations"))
          .isInstanceOfSatisfying(
              LongtakeException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.OUT_OF_MEMORY))
          .hasMessageContaining(LIMIT_BYTES + " bytes of activations")
          .hasMessageContaining((LIMIT_BYTES - device.memory().usedBytes()) + " of " + LIMIT_BYTES)
          .hasMessageContaining("weights=1000");
    }
  }

  @Test
  void shouldNameTheTagWhenABufferIsStillOpenAtClose() {
    Device other = open(1, LIMIT_BYTES);
    DeviceBuffer leaked = other.memory().allocate(64, "forgotten");
    assertThatThrownBy(other::close)
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("forgotten");
    assertThat(other.memory().usedBytes()).isZero();
    leaked.close();
    other.close();
  }

  @Test
  void shouldFailClearlyWhenSomethingClosedIsUsed() {
    DeviceBuffer buffer = device.memory().allocate(64, "test");
    Matrix matrix = Matrix.dense(buffer, 4, 4, DType.F32);
    buffer.close();
    assertThatThrownBy(() -> device.noise(matrix, 1, 2, 3))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageStartingWith("Expected an open buffer");

    PackedLinear layer = device.pack(MemorySegment.ofArray(new float[4]), null, 2, 2, DType.F32);
    layer.close();
    layer.close();
    Matrix in = lab.normal(3, 2, DType.F32);
    Matrix out = lab.normal(3, 2, DType.F32);
    assertThatThrownBy(() -> device.linear(layer, in, out, Activation.NONE))
        .isInstanceOf(IllegalStateException.class);

    Device other = open(1, LIMIT_BYTES);
    other.close();
    assertThatThrownBy(() -> other.noise(in, 1, 2, 3)).isInstanceOf(IllegalStateException.class);
  }

  @Test
  void shouldReturnWhatWasUploadedWhenViewsHaveGaps() {
    for (DType dtype : new DType[] {DType.F32, DType.BF16}) {
      float[] values = Reference.toBfloat(lab.values(17 * 13));
      Matrix gaps = lab.zeros(17, 13, 5, 20, dtype);
      lab.put(gaps, values);
      assertSameBits(lab.read(gaps), values, "with gaps");
      Matrix dense = lab.zeros(17, 13, 0, 13, dtype);
      lab.put(dense, values);
      assertSameBits(lab.read(dense), values, "dense");
    }
  }

  @Test
  void shouldAcceptZeroRowsInEveryKernel() {
    Matrix none = lab.zeros(0, 8, DType.F32);
    Matrix other = lab.zeros(0, 8, DType.F32);
    Matrix table = lab.normal(2, 8, DType.F32);
    RowVectors vectors = new RowVectors(table, new int[0], 3);
    PackedLinear layer = lab.pack(lab.values(64), null, 8, 8, DType.F32);
    device.linear(layer, none, other, Activation.SILU);
    device.linearResidual(layer, none, other, vectors);
    device.modulate(none, other, vectors, vectors, 1e-6f);
    device.normRotate(none, 2, null, 1e-6f, null);
    Sequences empty = new Sequences(new int[0], new int[0], 1);
    Sequences zero = new Sequences(new int[] {0}, new int[] {0}, 1);
    device.attention(none, none, none, other, 2, empty, empty, 1);
    device.attention(none, none, none, other, 2, zero, zero, 1);
    device.addRows(none, table, 1);
    device.activate(none, other, Activation.GELU_TANH);
    device.noise(none, 1, 2, 3);
    device.copy(none, other);
    for (Pairing pairing : Pairing.values()) {
      Matrix angles = lab.normal(2, 2, DType.F32);
      device.normRotate(none, 2, null, 1e-6f, new Rotation(angles, angles, 1, pairing));
    }
    device.combine(other, List.of(new Term(none, new float[] {2}), new Term(other, new float[0])));
    device.addLearnedNoise(none, other, other, -2, -1);
    Matrix vector = table.rows(0, 1);
    Matrix kernel = lab.normal(8, 4, DType.F32);
    TokenReduction reduction = new TokenReduction(3, 4, 2, kernel, vector, vector, vector, 1e-5f);
    device.reduceTokens(none, other, reduction);
    // A grid below one cell has no output.
    TokenReduction small = new TokenReduction(1, 2, 2, kernel, vector, vector, vector, 1e-5f);
    device.reduceTokens(table, other, small);
    lab.put(none, new float[0]);
    assertThat(lab.read(none)).isEmpty();
  }

  @Test
  void shouldRefuseWhenArgumentsContradictEachOther() {
    Matrix a = lab.normal(6, 8, DType.F32);
    Matrix b = lab.normal(6, 8, DType.F32);
    Matrix half = lab.normal(6, 8, DType.BF16);
    Matrix narrow = lab.normal(6, 7, DType.F32);
    PackedLinear layer = lab.pack(lab.values(64), null, 8, 8, DType.F32);
    RowVectors good = new RowVectors(lab.normal(2, 8, DType.F32), new int[] {0, 1}, 3);
    RowVectors outside = new RowVectors(good.table(), new int[] {0, 2}, 3);
    RowVectors none = new RowVectors(good.table(), new int[] {0, RowVectors.NONE}, 3);
    RowVectors few = new RowVectors(good.table(), new int[] {0}, 3);
    Sequences all = new Sequences(new int[] {0}, new int[] {6}, 1);
    Sequences beyond = new Sequences(new int[] {1}, new int[] {6}, 1);
    Sequences two = new Sequences(new int[] {0, 1}, new int[] {3, 3}, 2);
    Matrix vector = good.table().rows(0, 1);
    Matrix kernel = lab.normal(8, 4, DType.F32);
    Matrix three = lab.normal(3, 8, DType.F32);
    List<Runnable> wrong =
        List.of(
            () -> device.addRows(a, b, 0),
            () -> device.combine(a, List.of()),
            () -> device.combine(a, List.of(new Term(narrow, new float[1]))),
            () -> device.combine(a, List.of(new Term(half, new float[1]))),
            () -> device.combine(a, List.of(new Term(b, new float[5]))),
            () -> device.combine(a, List.of(new Term(b, new float[0]))),
            () -> device.combine(a.rows(0, 5), List.of(new Term(a.rows(1, 6), new float[1]))),
            () -> device.addLearnedNoise(a, a, b, -2, -1),
            () -> device.addLearnedNoise(a, b, narrow, -2, -1),
            () -> device.addLearnedNoise(half, b, b, -2, -1),
            () -> device.reduceTokens(a, b, reduction(2, 3, 2, kernel, vector)),
            () -> device.reduceTokens(a, three, reduction(4, 1, 2, kernel, vector)),
            () -> device.reduceTokens(a, vector, reduction(2, 3, 3, kernel, vector)),
            () -> device.reduceTokens(a, vector, reduction(2, 3, 2, kernel, narrow)),
            () -> device.reduceTokens(a, vector, reduction(2, 3, 2, kernel, vector)),
            () -> device.reduceTokens(a, three, reduction(2, 3, 0, kernel, vector)),
            () -> device.reduceTokens(a, three, reduction(0, 3, 2, kernel, vector)),
            () ->
                device.unpatchify(
                    a, b, 1, new Patching(1, 2, 3, 1, 1, 1), PatchOrder.CHANNEL_FIRST),
            () -> device.linear(layer, narrow, b, Activation.NONE),
            () -> device.linear(layer, half, b, Activation.NONE),
            () -> device.linear(layer, a, narrow, Activation.NONE),
            () -> device.linear(layer, a, a, Activation.NONE),
            () -> device.linearResidual(layer, a, half, null),
            () -> device.linearResidual(layer, a, b, outside),
            () -> device.linearResidual(layer, a, b, none),
            () -> device.modulate(a, b, good, outside, 0),
            () -> device.modulate(a, b, few, few, 0),
            () -> device.modulate(a, b, good, none, 0),
            () -> device.modulate(a, a.rows(1, 6), good, good, 0),
            () -> device.normRotate(a, 3, null, 0, null),
            () -> device.normRotate(a, 2, good.table(), 0, null),
            () ->
                device.normRotate(
                    a, 2, null, 0, new Rotation(good.table(), good.table(), 1, Pairing.ADJACENT)),
            () -> device.attention(a, a, a, b, 2, all, beyond, 1),
            () -> device.attention(a, a, a, b, 2, all, two, 1),
            () -> device.attention(a, a, a, b, 3, all, all, 1),
            () -> device.attention(a, a, a, a, 2, all, all, 1),
            () -> device.addRows(a, narrow, 1),
            () -> device.activate(a, narrow, Activation.NONE),
            () -> device.patchify(a, b, 1, new Patching(1, 2, 3, 1, 1, 1)),
            () -> device.noise(half, 1, 2, 3),
            () -> device.noise(a, 1, 2, -1),
            () -> device.copy(a, half),
            () -> device.copy(a, narrow),
            () -> device.upload(MemorySegment.ofArray(new float[3]), a),
            () -> device.pack(MemorySegment.ofArray(new float[3]), null, 2, 2, DType.F32),
            () -> device.pack(MemorySegment.ofArray(new float[4]), null, 2, 2, DType.F16));
    for (int i = 0; i < wrong.size(); i++) {
      assertThatThrownBy(wrong.get(i)::run)
          .as("case %d", i)
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageStartingWith("Expected ")
          .hasMessageContaining(", but ");
    }
  }

  private static TokenReduction reduction(
      int rows, int columns, int factor, Matrix kernel, Matrix vector) {
    return new TokenReduction(rows, columns, factor, kernel, vector, vector, vector, 1e-5f);
  }

  @Test
  void shouldGiveEqualBitsWhenThreadsDiffer() {
    List<float[]> expected = everyKernel(lab);
    try (Lab one = new Lab(open(1, LIMIT_BYTES), 20240607)) {
      // The same seed: the same inputs.
      List<float[]> actual = everyKernel(one);
      for (int i = 0; i < expected.size(); i++) {
        assertSameBits(actual.get(i), expected.get(i), "result " + i);
      }
    }
  }

  /** After how many rounds of kernels all of their code is compiled; two where it always is. */
  protected int roundsUntilCompiled() {
    return 60;
  }

  /** The first rounds run interpreted code, the last ones compiled code. */
  @Test
  void shouldGiveEqualBitsWhenCodeGetsCompiled() {
    List<float[]> first = List.of();
    for (int round = 0; round < roundsUntilCompiled(); round++) {
      try (Lab again = new Lab(open(1, LIMIT_BYTES), 99)) {
        List<float[]> results = everyKernel(again);
        for (int i = 0; i < first.size(); i++) {
          assertSameBits(results.get(i), first.get(i), "round %d, result %d".formatted(round, i));
        }
        first = results;
      }
    }
  }

  private static List<float[]> everyKernel(Lab lab) {
    Device device = lab.device;
    int rows = 330;
    int columns = 4 * 20;
    List<float[]> results = new ArrayList<>();
    Matrix x = lab.normal(rows, columns, DType.F32);
    Matrix y = lab.zeros(rows, columns, DType.F32);
    Matrix qkv = lab.zeros(rows, 3 * columns, DType.F32);
    Matrix half = lab.zeros(rows, columns, DType.BF16);
    RowVectors vectors =
        new RowVectors(lab.normal(2, 3 * columns, DType.F32), new int[] {0, 1, 1, 0}, 100);
    PackedLinear wide =
        lab.pack(
            lab.values(3 * columns * columns),
            lab.values(3 * columns),
            3 * columns,
            columns,
            DType.F32);
    PackedLinear square =
        lab.pack(lab.values(columns * columns), lab.values(columns), columns, columns, DType.F32);
    Rotation rotation =
        new Rotation(
            lab.normal(7, 10, DType.F32), lab.normal(7, 10, DType.F32), 3, Pairing.ADJACENT);
    device.addRows(x, lab.normal(11, columns, DType.F32), 1);
    device.modulate(
        x, y, vectors.columns(0, columns), vectors.columns(columns, 2 * columns), 1e-6f);
    results.add(lab.read(y));
    device.linear(wide, y, qkv, Activation.NONE);
    results.add(lab.read(qkv));
    device.normRotate(qkv.columns(0, columns), 4, lab.normal(1, 20, DType.F32), 1e-6f, rotation);
    results.add(lab.read(qkv));
    Sequences sequences = new Sequences(new int[] {0, 1, 2}, new int[] {110, 110, 100}, 3);
    device.attention(
        qkv.columns(0, columns),
        qkv.columns(columns, 2 * columns),
        qkv.columns(2 * columns, 3 * columns),
        y,
        4,
        sequences,
        sequences,
        0.2f);
    results.add(lab.read(y));
    device.linearResidual(square, y, x, vectors.columns(2 * columns, 3 * columns));
    results.add(lab.read(x));
    device.linear(square, x, half, Activation.GELU_TANH);
    results.add(lab.read(half));
    device.activate(x, half, Activation.SILU);
    results.add(lab.read(half));
    device.noise(y, 5, 6, 7);
    device.combine(x, List.of(new Term(x, lab.values(rows)), new Term(y, new float[] {0.6f})));
    device.addLearnedNoise(x, qkv.columns(0, columns), y, -5, -3);
    results.add(lab.read(x));
    device.normRotate(
        x, 4, null, 0, new Rotation(rotation.cosines(), rotation.sines(), 3, Pairing.HALVES));
    results.add(lab.read(x));
    Matrix reduced = lab.zeros(75, columns, DType.F32);
    Matrix kernel = lab.normal(columns, 4, DType.F32);
    Matrix vector = lab.normal(1, columns, DType.F32);
    device.reduceTokens(x, reduced, reduction(11, 6, 2, kernel, vector));
    results.add(lab.read(reduced));
    return results;
  }
}
