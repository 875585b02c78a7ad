package dev.longtake.worker.device.cpu.x86;

import dev.longtake.common.x86.Assembler;
import dev.longtake.common.x86.Assembler.Address;
import dev.longtake.common.x86.Assembler.Operation;
import dev.longtake.common.x86.Assembler.Register;

/**
 * Writes the functions of {@link AttentionKernels}. Their operations and the order of those are what the Vector API is given in {@code Attention},
 * so that no bit differs.
 */
final class AttentionCode {
  /** Of the constants. */
  private static final Register POOL = Register.RAX;

  private final Assembler code;
  private final RowLoop loop;
  private final VectorPool pool = new VectorPool(POOL);

  AttentionCode(Assembler code) {
    this.code = code;
    loop = new RowLoop(code);
  }

  /** What the functions read. */
  VectorPool pool() {
    return pool;
  }

  /** Scores, maxima, totals, sums, rows, vectors of scores; stride of scores, vectors of sums, constants. */
  int writeSoftmax() {
    Register scores = Register.RDI;
    Register maxima = Register.RSI;
    Register totals = Register.RDX;
    Register sums = Register.RCX;
    final Register rows = Register.R8;
    final Register vectors = Register.R9;
    final int score = 0;
    final int probability = 1;
    final int maximum = 7;
    final int factor = 8;
    final int total = 9;
    final ExponentialCode exponential = new ExponentialCode(code, pool);

    final int position = code.startLine();
    code.load(POOL, RowLoop.argument(2));
    int row = code.position();
    code.broadcast(maximum, Address.of(maxima, 0));
    code.broadcast(factor, Address.of(maxima, 0));
    loop.begin(vectors);
    int greatest = code.position();
    code.loadVector(score, RowLoop.at(scores));
    code.apply(Operation.MAXIMUM, maximum, score, maximum);
    loop.goOn(greatest);
    loop.overLanes(Operation.MAXIMUM, maximum, score);
    code.storeFirst(Address.of(maxima, 0), maximum);

    code.apply(Operation.SUBTRACT, factor, factor, maximum);
    exponential.writePowerOfTwo(probability, factor);
    code.apply(Operation.MULTIPLY, total, probability, Address.of(totals, 0));
    loop.begin(RowLoop.argument(1));
    int rescaled = code.position();
    code.apply(Operation.MULTIPLY, score, probability, RowLoop.at(sums));
    code.storeVector(RowLoop.at(sums), score);
    loop.goOn(rescaled);
    code.add(sums, RowLoop.AT);

    loop.begin(vectors);
    int probabilities = code.position();
    code.loadVector(score, RowLoop.at(scores));
    code.apply(Operation.SUBTRACT, score, score, maximum);
    exponential.writePowerOfTwo(probability, score);
    code.storeVector(RowLoop.at(scores), probability);
    code.apply(Operation.ADD, total, total, probability);
    loop.goOn(probabilities);
    code.storeVector(Address.of(totals, 0), total);
    code.add(scores, RowLoop.argument(0));
    code.add(maxima, Float.BYTES);
    code.add(totals, RowLoop.VECTOR_BYTES);
    code.decrement(rows);
    code.jumpBackUnlessZero(row);
    code.end();
    return position;
  }

  /** Sums, totals, out, its stride, vectors, rows. */
  int writeQuotients() {
    Register sums = Register.RDI;
    Register totals = Register.RSI;
    Register out = Register.RDX;
    final Register stride = Register.RCX;
    final Register vectors = Register.R8;
    final Register rows = Register.R9;
    final int total = 0;
    final int quotient = 1;

    final int position = code.startLine();
    int row = code.position();
    code.loadVector(total, Address.of(totals, 0));
    loop.overLanes(Operation.ADD, total, quotient);
    loop.begin(vectors);
    int quotients = code.position();
    code.loadVector(quotient, RowLoop.at(sums));
    code.apply(Operation.DIVIDE, quotient, quotient, total);
    code.storeVector(RowLoop.at(out), quotient);
    loop.goOn(quotients);
    code.add(sums, RowLoop.AT);
    code.add(totals, RowLoop.VECTOR_BYTES);
    code.add(out, stride);
    code.decrement(rows);
    code.jumpBackUnlessZero(row);
    code.end();
    return position;
  }

  /** In, its stride, out, its stride, vectors, rows; factor. */
  int writeScaledRows() {
    Register in = Register.RDI;
    Register out = Register.RDX;
    final Register vectors = Register.R8;
    final Register rows = Register.R9;
    final int position = code.startLine();
    code.broadcast(1, RowLoop.argument(0));
    int row = code.position();
    loop.begin(vectors);
    int again = code.position();
    code.apply(Operation.MULTIPLY, 0, 1, RowLoop.at(in));
    code.storeVector(RowLoop.at(out), 0);
    loop.goOn(again);
    code.add(in, Register.RSI);
    code.add(out, Register.RCX);
    code.decrement(rows);
    code.jumpBackUnlessZero(row);
    code.end();
    return position;
  }

  /** Eight rows, target, vectors of a row, stride of rows, stride of the target. */
  int writeTranspose() {
    Register vectors = Register.RDX;
    Rows from = new Rows(Register.RDI, Register.RAX, Register.R9, Register.RCX);
    Rows to = new Rows(Register.RSI, Register.R10, Register.R11, Register.R8);

    final int position = code.startLine();
    from.begin();
    int again = code.position();
    to.begin();
    for (int row = 0; row < PanelKernels.LANES; row++) {
      code.loadVector(row, from.row(row));
    }
    // First pairs of rows, then fours, then all eight: lanes of the same column come together.
    for (int row = 0; row < PanelKernels.LANES; row += 2) {
      code.apply(Operation.INTERLEAVE_LOWER, 8 + row, row, row + 1);
      code.apply(Operation.INTERLEAVE_UPPER, 9 + row, row, row + 1);
    }
    for (int four = 0; four < PanelKernels.LANES; four += 4) {
      code.joinLowerQuarters(four, 8 + four, 10 + four);
      code.joinUpperQuarters(four + 1, 8 + four, 10 + four);
      code.joinLowerQuarters(four + 2, 9 + four, 11 + four);
      code.joinUpperQuarters(four + 3, 9 + four, 11 + four);
    }
    for (int column = 0; column < PanelKernels.LANES / 2; column++) {
      code.joinLowerHalves(8, column, column + 4);
      code.storeVector(to.row(column), 8);
      code.joinUpperHalves(9, column, column + 4);
      code.storeVector(to.row(column + 4), 9);
    }
    from.advance(RowLoop.VECTOR_BYTES);
    to.skipAll();
    code.decrement(vectors);
    code.jumpBackUnlessZero(again);
    code.end();
    return position;
  }

  /** Eight rows a stride apart, which three registers reach. */
  private final class Rows {
    private final Register first;
    private final Register fourth;
    private final Register seventh;
    private final Register stride;

    Rows(Register first, Register fourth, Register seventh, Register stride) {
      this.first = first;
      this.fourth = fourth;
      this.seventh = seventh;
      this.stride = stride;
    }

    void begin() {
      code.loadAddress(fourth, Address.of(first, stride, 2));
      code.add(fourth, stride);
      code.loadAddress(seventh, Address.of(fourth, stride, 2));
      code.add(seventh, stride);
    }

    Address row(int index) {
      Register base = index < 3 ? first : index < 6 ? fourth : seventh;
      return switch (index % 3) {
        case 0 -> Address.of(base, 0);
        case 1 -> Address.of(base, stride, 1);
        default -> Address.of(base, stride, 2);
      };
    }

    void advance(int bytes) {
      code.add(first, bytes);
      code.add(fourth, bytes);
      code.add(seventh, bytes);
    }

    /** To the eight rows behind; then {@link #begin} again. */
    void skipAll() {
      code.loadAddress(first, Address.of(first, stride, 8));
    }
  }
}
