package dev.longtake.worker.device.cpu;

import dev.longtake.common.tensor.DType;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.device.Patching;
import dev.longtake.worker.device.RowVectors;
import dev.longtake.worker.device.Sequences;
import dev.longtake.worker.device.TokenReduction;
import java.lang.foreign.MemorySegment;

/** Refuses arguments that would make a kernel read or write elsewhere. A refusal is a mistake of the caller's code. */
final class Checks {
  private Checks() {}

  static void f32(String name, Matrix matrix) {
    if (matrix.dtype() != DType.F32) {
      throw refused("%s of F32".formatted(name), matrix.dtype());
    }
  }

  static void dtype(String name, Matrix matrix, DType dtype) {
    if (matrix.dtype() != dtype) {
      throw refused("%s of %s".formatted(name, dtype), matrix.dtype());
    }
  }

  static void shape(String name, Matrix matrix, int rows, int columns) {
    if (matrix.rows() != rows || matrix.columns() != columns) {
      throw refused(
          "%s of %d x %d".formatted(name, rows, columns), matrix.rows() + " x " + matrix.columns());
    }
  }

  static void equal(String name, long expected, long actual) {
    if (expected != actual) {
      throw refused("%s of %d".formatted(name, expected), actual);
    }
  }

  static void atLeast(String name, long least, long actual) {
    if (actual < least) {
      throw refused("%s of at least %d".formatted(name, least), actual);
    }
  }

  static void room(String name, MemorySegment segment, long bytes) {
    atLeast(name + " bytes", bytes, segment.byteSize());
  }

  /** The dimension of a head. */
  static int dimension(Matrix matrix, int heads, int most) {
    atLeast("heads", 1, heads);
    int dimension = matrix.columns() / heads;
    if (dimension * heads != matrix.columns() || dimension < 1 || dimension > most) {
      throw refused(
          "columns that are %d heads of 1 to %d channels".formatted(heads, most), matrix.columns());
    }
    return dimension;
  }

  /**
   * @param optional whether a group may be NONE
   */
  static void vectors(String name, RowVectors vectors, int rows, int columns, boolean optional) {
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

  static void sequences(String name, Sequences sequences, int rows) {
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

  /** Latents [channels * frames, height * width] and patches [patches, channels * volume]. */
  static void patching(Matrix latents, Matrix patches, int channels, Patching p) {
    atLeast("channels", 1, channels);
    atLeast("patch edges", 1, Math.min(p.patchFrames(), Math.min(p.patchHeight(), p.patchWidth())));
    f32("latents", latents);
    shape("latents", latents, channels * p.frames(), p.height() * p.width());
    shape("patches", patches, p.gridFrames() * p.patchesPerFrame(), channels * p.patchVolume());
    apart("latents", latents, "patches", patches);
  }

  static void reduction(Matrix in, Matrix out, TokenReduction reduction) {
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
  static void sameOrApart(String nameA, Matrix a, String nameB, Matrix b) {
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
  static void apart(String nameA, Matrix a, String nameB, Matrix b) {
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

  static IllegalArgumentException refused(String expected, Object actual) {
    return new IllegalArgumentException("Expected %s, but got %s".formatted(expected, actual));
  }
}
