package dev.longtake.worker.device;

import dev.longtake.common.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Refuses arguments that would make a kernel read or write elsewhere, in one way for all devices: each kernel has a method of its
 * name. A refusal is a mistake of the caller's code, an {@link IllegalArgumentException}. Stateless, for any thread.
 */
public final class Checks {
  /** The greatest dimension of a head. */
  public static final int MAX_DIMENSION = 256;

  private Checks() {}

  /** Of {@link Device#upload} and {@link Device#download}. */
  public static void transfer(String name, MemorySegment host, Matrix matrix) {
    room(name, host, (long) matrix.rows() * matrix.columns() * matrix.dtype().sizeBytes());
  }

  /** Of {@link Device#pack}. */
  public static void pack(
      MemorySegment weight,
      DType weightType,
      @Nullable MemorySegment bias,
      int outputColumns,
      int inputColumns,
      DType inputType,
      Device device) {
    atLeast("output columns", 1, outputColumns);
    atLeast("input columns", 1, inputColumns);
    if (weightType != DType.F32 && weightType != DType.BF16) {
      throw refused("weights in F32 or BF16", weightType);
    }
    room("weight", weight, (long) outputColumns * inputColumns * weightType.sizeBytes());
    if (bias != null) {
      room("bias", bias, (long) outputColumns * Float.BYTES);
    }
    if (!device.supports(inputType)) {
      throw refused("F32, or BF16 where the processor has it", inputType);
    }
  }

  /** Of {@link Device#linear}. */
  public static void linear(PackedLinear layer, Matrix in, Matrix out) {
    layerInput(layer, in);
    shape("output", out, in.rows(), layer.outputColumns());
    apart("input", in, "output", out);
  }

  /** Of {@link Device#linearResidual}. */
  public static void linearResidual(
      PackedLinear layer, Matrix in, Matrix residual, @Nullable RowVectors gate) {
    layerInput(layer, in);
    f32("residual", residual);
    shape("residual", residual, in.rows(), layer.outputColumns());
    apart("input", in, "residual", residual);
    if (gate != null) {
      vectors("gate", gate, in.rows(), layer.outputColumns(), /* optional= */ false);
      apart("gate", gate.table(), "residual", residual);
    }
  }

  private static void layerInput(PackedLinear layer, Matrix in) {
    dtype("input", in, layer.inputType());
    equal("input columns", layer.inputColumns(), in.columns());
  }

  /** Of {@link Device#modulate}. */
  public static void modulate(Matrix in, Matrix out, RowVectors shift, RowVectors scale) {
    f32("input", in);
    shape("output", out, in.rows(), in.columns());
    sameOrApart("input", in, "output", out);
    vectors("shift", shift, in.rows(), in.columns(), /* optional= */ true);
    vectors("scale", scale, in.rows(), in.columns(), /* optional= */ true);
    apart("shift", shift.table(), "output", out);
    apart("scale", scale.table(), "output", out);
    if (shift.rowsPerGroup() != scale.rowsPerGroup()
        || !Arrays.equals(shift.vectorOfGroup(), scale.vectorOfGroup())) {
      throw refused("the same groups for shift and scale", "others");
    }
  }

  /** Of {@link Device#normRotate}. */
  public static void normRotate(
      Matrix x, int heads, @Nullable Matrix weight, @Nullable Rotation rotation) {
    f32("x", x);
    int dimension = dimension(x, heads);
    if (weight != null) {
      f32("weight", weight);
      shape("weight", weight, 1, dimension);
    }
    if (rotation != null) {
      Matrix cosines = rotation.cosines();
      f32("cosines", cosines);
      f32("sines", rotation.sines());
      equal("head dimension", 2L * cosines.columns(), dimension);
      shape("sines", rotation.sines(), cosines.rows(), cosines.columns());
      atLeast("positions", 1, cosines.rows());
      atLeast("rows per position", 1, rotation.rowsPerPosition());
    }
  }

  /** Of {@link Device#attention}. */
  public static void attention(
      Matrix query,
      Matrix key,
      Matrix value,
      Matrix out,
      int heads,
      Sequences queries,
      Sequences keys) {
    dimension(query, heads);
    f32("query", query);
    f32("key", key);
    f32("value", value);
    equal("key columns", query.columns(), key.columns());
    shape("value", value, key.rows(), query.columns());
    shape("output", out, query.rows(), query.columns());
    apart("query", query, "output", out);
    apart("key", key, "output", out);
    apart("value", value, "output", out);
    equal("key sequences", queries.count(), keys.count());
    sequences("queries", queries, query.rows());
    sequences("keys", keys, key.rows());
  }

  /** Of {@link Device#addRows}. */
  public static void addRows(Matrix x, Matrix table, int rowsPerTableRow) {
    f32("x", x);
    f32("table", table);
    equal("table columns", x.columns(), table.columns());
    atLeast("table rows", 1, table.rows());
    atLeast("rows per table row", 1, rowsPerTableRow);
    apart("x", x, "table", table);
  }

  /** Of {@link Device#activate}. */
  public static void activate(Matrix in, Matrix out) {
    shape("output", out, in.rows(), in.columns());
    sameOrApart("input", in, "output", out);
  }

  /** Of {@link Device#unpatchify}. */
  public static void unpatchify(Matrix patches, Matrix latents, int channels, Patching p) {
    f32("patches", patches);
    patchify(latents, patches, channels, p);
  }

  /** Of {@link Device#combine}. */
  public static void combine(Matrix out, List<Term> terms) {
    f32("output", out);
    atLeast("terms", 1, terms.size());
    for (Term term : terms) {
      f32("term", term.values());
      shape("term", term.values(), out.rows(), out.columns());
      sameOrApart("term", term.values(), "output", out);
      if (term.coefficients().length != 1) {
        equal("term's coefficients, 1 or", out.rows(), term.coefficients().length);
      }
    }
  }

  /** Of {@link Device#addLearnedNoise}. */
  public static void addLearnedNoise(Matrix target, Matrix variance, Matrix noise) {
    f32("target", target);
    for (Matrix other : new Matrix[] {variance, noise}) {
      f32("variance and noise", other);
      shape("variance and noise", other, target.rows(), target.columns());
      apart("variance or noise", other, "target", target);
    }
  }

  /** Of {@link Device#noise}. */
  public static void noise(Matrix out, long firstElement) {
    f32("output", out);
    atLeast("first element", 0, firstElement);
  }

  /** Of {@link Device#copy}. */
  public static void copy(Matrix source, Matrix target) {
    dtype("target", target, source.dtype());
    shape("target", target, source.rows(), source.columns());
    sameOrApart("source", source, "target", target);
  }

  private static void f32(String name, Matrix matrix) {
    if (matrix.dtype() != DType.F32) {
      throw refused("%s of F32".formatted(name), matrix.dtype());
    }
  }

  private static void dtype(String name, Matrix matrix, DType dtype) {
    if (matrix.dtype() != dtype) {
      throw refused("%s of %s".formatted(name, dtype), matrix.dtype());
    }
  }

  private static void shape(String name, Matrix matrix, int rows, int columns) {
    if (matrix.rows() != rows || matrix.columns() != columns) {
      throw refused(
          "%s of %d x %d".formatted(name, rows, columns), matrix.rows() + " x " + matrix.columns());
    }
  }

  private static void equal(String name, long expected, long actual) {
    if (expected != actual) {
      throw refused("%s of %d".formatted(name, expected), actual);
    }
  }

  private static void atLeast(String name, long least, long actual) {
    if (actual < least) {
      throw refused("%s of at least %d".formatted(name, least), actual);
    }
  }

  private static void room(String name, MemorySegment segment, long bytes) {
    atLeast(name + " bytes", bytes, segment.byteSize());
  }

  /** The dimension of a head. */
  private static int dimension(Matrix matrix, int heads) {
    atLeast("heads", 1, heads);
    int dimension = matrix.columns() / heads;
    if (dimension * heads != matrix.columns() || dimension < 1 || dimension > MAX_DIMENSION) {
      throw refused(
          "columns that are %d heads of 1 to %d channels".formatted(heads, MAX_DIMENSION),
          matrix.columns());
    }
    return dimension;
  }

  /**
   * @param optional whether a group may be NONE
   */
  private static void vectors(
      String name, RowVectors vectors, int rows, int columns, boolean optional) {
    f32(name, vectors.table());
    equal(name + " columns", columns, vectors.table().columns());
    atLeast(name + " rows per group", 1, vectors.rowsPerGroup());
    atLeast(
        name + " groups",
        Math.ceilDiv(rows, vectors.rowsPerGroup()),
        vectors.vectorOfGroup().length);
    int least = optional ? RowVectors.NONE : 0;
    for (int vector : vectors.vectorOfGroup()) {
      if (vector < least || vector >= vectors.table().rows()) {
        throw refused(
            "%s from %d to %d".formatted(name, least, vectors.table().rows() - 1), vector);
      }
    }
  }

  private static void sequences(String name, Sequences sequences, int rows) {
    atLeast(name + " stride", 1, sequences.rowStride());
    for (int s = 0; s < sequences.count(); s++) {
      int first = sequences.firstRow()[s];
      int length = sequences.length()[s];
      long last = first + (length - 1L) * sequences.rowStride();
      if (first < 0 || length < 0 || (length > 0 && last >= rows)) {
        throw refused(
            "%s inside %d rows".formatted(name, rows),
            "sequence %d with rows %d to %d".formatted(s, first, last));
      }
    }
  }

  /** Of {@link Device#patchify}: latents [channels * frames, height * width] and patches [patches, channels * volume]. */
  public static void patchify(Matrix latents, Matrix patches, int channels, Patching p) {
    atLeast("channels", 1, channels);
    atLeast("patch edges", 1, Math.min(p.patchFrames(), Math.min(p.patchHeight(), p.patchWidth())));
    f32("latents", latents);
    shape("latents", latents, channels * p.frames(), p.height() * p.width());
    shape("patches", patches, p.gridFrames() * p.patchesPerFrame(), channels * p.patchVolume());
    apart("latents", latents, "patches", patches);
  }

  /** Of {@link Device#reduceTokens}. */
  public static void reduceTokens(Matrix in, Matrix out, TokenReduction reduction) {
    int channels = in.columns();
    int factor = reduction.factor();
    atLeast("factor", 1, factor);
    atLeast("grid", 1, Math.min(reduction.gridRows(), reduction.gridColumns()));
    f32("input", in);
    f32("output", out);
    int frames = in.rows() / reduction.inputTokens();
    equal("input rows, whole frames,", (long) frames * reduction.inputTokens(), in.rows());
    equal("output rows", (long) frames * reduction.outputTokens(), out.rows());
    equal("output columns", channels, out.columns());
    apart("input", in, "output", out);
    f32("kernel", reduction.kernel());
    shape("kernel", reduction.kernel(), channels, Math.multiplyExact(factor, factor));
    vector("bias", reduction.bias(), channels, out);
    vector("norm weight", reduction.normWeight(), channels, out);
    vector("norm bias", reduction.normBias(), channels, out);
    apart("kernel", reduction.kernel(), "output", out);
  }

  private static void vector(String name, Matrix vector, int columns, Matrix out) {
    f32(name, vector);
    shape(name, vector, 1, columns);
    apart(name, vector, "output", out);
  }

  /** Two views may be the same view or have nothing in common. */
  private static void sameOrApart(String nameA, Matrix a, String nameB, Matrix b) {
    boolean same =
        a.buffer().equals(b.buffer())
            && a.offset() == b.offset()
            && a.rowStride() == b.rowStride()
            && a.dtype() == b.dtype();
    if (!same) {
      apart(nameA, a, nameB, b);
    }
  }

  /** Two views may have nothing in common. Different columns of the same rows are fine. */
  private static void apart(String nameA, Matrix a, String nameB, Matrix b) {
    if (!a.buffer().equals(b.buffer()) || isEmpty(a) || isEmpty(b)) {
      return;
    }
    long size = a.dtype().sizeBytes();
    long startA = a.offset() * size;
    long startB = b.offset() * b.dtype().sizeBytes();
    long widthA = a.columns() * size;
    long widthB = (long) b.columns() * b.dtype().sizeBytes();
    long strideA = a.rowStride() * size;
    long strideB = (long) b.rowStride() * b.dtype().sizeBytes();
    if (startA + (a.rows() - 1) * strideA + widthA <= startB
        || startB + (b.rows() - 1) * strideB + widthB <= startA) {
      return;
    }
    long distance = Math.floorMod(startB - startA, strideA);
    if (strideA == strideB && distance >= widthA && distance + widthB <= strideA) {
      return;
    }
    throw refused("%s and %s that do not overlap".formatted(nameA, nameB), a + " and " + b);
  }

  private static boolean isEmpty(Matrix matrix) {
    return matrix.rows() == 0 || matrix.columns() == 0;
  }

  /** The exception that says what was expected and what came. */
  public static IllegalArgumentException refused(String expected, Object actual) {
    return new IllegalArgumentException("Expected %s, but got %s".formatted(expected, actual));
  }
}
