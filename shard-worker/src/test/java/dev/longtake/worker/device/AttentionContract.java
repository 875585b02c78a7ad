package dev.longtake.worker.device;

import static dev.longtake.worker.device.Lab.assertClose;
import static dev.longtake.worker.device.Lab.assertSameBits;

import dev.longtake.common.tensor.DType;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

/** Attention. */
abstract class AttentionContract extends ProductContract {
  /** What an attention to bfloat16 may be off, relative to its greatest result; the rounding of results alone here. */
  protected double bfloatAttentionTolerance() {
    return 4e-3;
  }

  @Test
  void shouldAttendWhenShapesAndStridesVary() {
    int[] dimensions = {1, 12, 16, 32, 48, 64, 72, 80, 96, 128, 144, 200, 256};
    for (int round = 0; round < 2 * dimensions.length; round++) {
      int dimension = dimensions[round % dimensions.length];
      int heads = lab.between(1, 3);
      int sequences = lab.between(1, 4);
      checkAttention(
          heads, dimension, lengths(sequences, 1, 40), lengths(sequences, 0, 170), round);
    }
    checkAttention(1, 72, new int[] {700}, new int[] {300}, 0);
  }

  /** A device may have a kernel of its own for each of these. */
  @Test
  void shouldAttendToBfloatWhenHeadsHaveUsualDimensions() {
    for (int dimension : new int[] {32, 48, 64, 72, 80, 96, 128}) {
      // The round decides: bfloat16, a moderate scale, and sequences behind each other or
      // interleaved.
      checkAttention(2, dimension, new int[] {70, 1}, new int[] {130, 17}, 4);
      checkAttention(1, dimension, new int[] {16, 65}, new int[] {0, 64}, 19);
    }
  }

  private int[] lengths(int count, int least, int most) {
    int[] lengths = new int[count];
    for (int s = 0; s < count; s++) {
      lengths[s] = lab.between(least, most);
    }
    return lengths;
  }

  /** Rows of sequence s are interleaved with the others' in every second round, else one sequence follows the other. */
  private Sequences sequences(int[] lengths, boolean interleaved) {
    int count = lengths.length;
    int[] first = new int[count];
    for (int s = 1; s < count; s++) {
      first[s] = interleaved ? s : first[s - 1] + lengths[s - 1];
    }
    return new Sequences(first, lengths, interleaved ? count : 1);
  }

  private static int rows(Sequences sequences) {
    int rows = 0;
    for (int s = 0; s < sequences.count(); s++) {
      rows = Math.max(rows, row(sequences, s, sequences.length()[s] - 1) + 1);
    }
    return rows;
  }

  private static int row(Sequences sequences, int s, int token) {
    return sequences.firstRow()[s] + token * sequences.rowStride();
  }

  private void checkAttention(
      int heads, int dimension, int[] queryLengths, int[] keyLengths, int round) {
    Sequences queries = sequences(queryLengths, round % 2 == 1);
    Sequences keys = sequences(keyLengths, round % 2 == 1);
    int columns = heads * dimension;
    Matrix query = lab.normal(rows(queries), columns, DType.F32);
    Matrix both = lab.normal(rows(keys), 2 * columns, DType.F32);
    Matrix key = both.columns(0, columns);
    Matrix value = both.columns(columns, 2 * columns);
    Matrix out = lab.zeros(rows(queries), columns, round % 5 == 4 ? DType.BF16 : DType.F32);
    // Every third round has scores of hundreds, which overflow unless the maximum is taken off.
    float scale = (float) (round % 3 == 2 ? 30 : 1 / Math.sqrt(dimension));

    device.attention(query, key, value, out, heads, queries, keys, scale);

    double[] expected = new double[rows(queries) * columns];
    float[] q = lab.read(query);
    float[] k = lab.read(key);
    float[] v = lab.read(value);
    for (int s = 0; s < queries.count(); s++) {
      for (int h = 0; h < heads; h++) {
        float[][] keyRows = new float[keyLengths[s]][];
        float[][] valueRows = new float[keyLengths[s]][];
        for (int i = 0; i < keyLengths[s]; i++) {
          int at = row(keys, s, i) * columns + h * dimension;
          keyRows[i] = Arrays.copyOfRange(k, at, at + dimension);
          valueRows[i] = Arrays.copyOfRange(v, at, at + dimension);
        }
        for (int i = 0; i < queryLengths[s]; i++) {
          int at = row(queries, s, i) * columns + h * dimension;
          double[] one =
              Reference.attention(
                  Arrays.copyOfRange(q, at, at + dimension), keyRows, valueRows, scale);
          System.arraycopy(one, 0, expected, at, dimension);
        }
      }
    }
    double tolerance =
        out.dtype() == DType.BF16 ? bfloatAttentionTolerance() : scale > 1 ? 3e-4 : 2e-6;
    assertClose(lab.read(out), expected, tolerance);
  }

  @Test
  void shouldAttendToTheSameKeysWhenSequencesShareThem() {
    int heads = 2;
    int columns = heads * 24;
    int[] queryLengths = {3, 0, 41, 1};
    // Another matrix than the queries', with far more rows.
    int[] firstKey = {500, 0, 500, 500};
    int[] keyLengths = {201, 40, 201, 201};
    Matrix query = lab.normal(60, columns, DType.F32);
    Matrix key = lab.normal(900, columns, DType.F32);
    Matrix value = lab.normal(900, columns, DType.F32);
    Matrix out = lab.zeros(60, columns, DType.F32);
    int[] firstQuery = {50, 0, 4, 0};
    device.attention(
        query,
        key,
        value,
        out,
        heads,
        new Sequences(firstQuery, queryLengths, 1),
        new Sequences(firstKey, keyLengths, 1),
        0.2f);

    float[] actual = lab.read(out);
    float[] q = lab.read(query);
    float[] k = lab.read(key);
    float[] v = lab.read(value);
    for (int s = 0; s < queryLengths.length; s++) {
      Matrix alone = lab.zeros(60, columns, DType.F32);
      device.attention(
          query,
          key,
          value,
          alone,
          heads,
          new Sequences(new int[] {firstQuery[s]}, new int[] {queryLengths[s]}, 1),
          new Sequences(new int[] {firstKey[s]}, new int[] {keyLengths[s]}, 1),
          0.2f);
      int from = firstQuery[s];
      int to = from + queryLengths[s];
      assertSameBits(
          Lab.rows(actual, columns, from, to),
          Lab.rows(lab.read(alone), columns, from, to),
          "sequence " + s);
      for (int row = from; row < to; row++) {
        for (int h = 0; h < heads; h++) {
          int at = h * 24;
          double[] expected =
              Reference.attention(
                  channels(q, row, columns, at),
                  channelsOfRows(k, firstKey[s], keyLengths[s], columns, at),
                  channelsOfRows(v, firstKey[s], keyLengths[s], columns, at),
                  0.2f);
          assertClose(channels(actual, row, columns, at), expected, 2e-6);
        }
      }
    }
  }

  /** The 24 channels of one head. */
  private static float[] channels(float[] values, int row, int columns, int at) {
    return Arrays.copyOfRange(values, row * columns + at, row * columns + at + 24);
  }

  private static float[][] channelsOfRows(
      float[] values, int first, int count, int columns, int at) {
    float[][] rows = new float[count][];
    Arrays.setAll(rows, i -> channels(values, first + i, columns, at));
    return rows;
  }

  @Test
  void shouldGiveEqualBitsWhenQueriesHeadsAndSequencesAreSplit() {
    checkSplits(20, DType.F32);
    checkSplits(72, DType.BF16);
  }

  private void checkSplits(int dimension, DType outputType) {
    int heads = 4;
    int columns = heads * dimension;
    int tokens = 90;
    Matrix all = lab.normal(3 * tokens, 3 * columns, DType.F32);
    Matrix whole = lab.zeros(3 * tokens, columns, outputType);
    Sequences three =
        new Sequences(new int[] {0, 1, 2}, new int[] {tokens, tokens - 7, tokens - 50}, 3);
    attend(all, whole, columns, heads, three, three);
    float[] expected = lab.read(whole);

    for (int s = 0; s < 3; s++) {
      int length = three.length()[s];
      Sequences keys = new Sequences(new int[] {s}, new int[] {length}, 3);
      for (int from = 0; from < length; from += 13) {
        int count = Math.min(13, length - from);
        int head = lab.between(0, heads - 1);
        Matrix part = lab.zeros(3 * tokens, dimension, outputType);
        Sequences queries = new Sequences(new int[] {s + 3 * from}, new int[] {count}, 3);
        Matrix own = all.columns(head * dimension, 3 * columns);
        attend(own, part, columns, 1, queries, keys);
        float[] actual = lab.read(part);
        for (int i = 0; i < count; i++) {
          int row = s + 3 * (from + i);
          int at = row * columns + head * dimension;
          assertSameBits(
              Lab.rows(actual, dimension, row, row + 1),
              Arrays.copyOfRange(expected, at, at + dimension),
              "sequence %d, query %d, head %d".formatted(s, from + i, head));
        }
      }
    }
  }

  /** Query, key and value are next to each other, {@code columns} apart; as many heads are computed as {@code out} has. */
  private void attend(
      Matrix all, Matrix out, int columns, int heads, Sequences queries, Sequences keys) {
    int width = out.columns();
    device.attention(
        all.columns(0, width),
        all.columns(columns, columns + width),
        all.columns(2 * columns, 2 * columns + width),
        out,
        heads,
        queries,
        keys,
        0.2f);
  }
}
