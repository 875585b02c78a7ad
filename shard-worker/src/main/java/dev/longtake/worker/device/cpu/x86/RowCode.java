package dev.longtake.worker.device.cpu.x86;

import dev.longtake.common.x86.Assembler;
import dev.longtake.common.x86.Assembler.Address;
import dev.longtake.common.x86.Assembler.Operation;
import dev.longtake.common.x86.Assembler.Register;

/**
 * Writes the functions of {@link RowKernels}. Their operations and the order of those are what the Vector API is given in {@code Normalisation} and
 * {@code Elementwise}, so that no bit differs.
 */
final class RowCode {
  private static final int VECTOR_BYTES = PanelKernels.LANES * Float.BYTES;

  /** How far a row is done, in bytes. */
  private static final Register AT = Register.R11;

  /** Vectors that are left. */
  private static final Register LEFT = Register.R10;

  private final Assembler code;

  RowCode(Assembler code) {
    this.code = code;
  }

  /** An argument on the stack, the first being 0. */
  private static Address argument(int index) {
    return Address.of(Register.RSP, (index + 1) * Long.BYTES);
  }

  private static Address at(Register row) {
    return Address.of(row, AT, 1);
  }

  private static Address next(Register row) {
    return new Address(row, AT, 1, VECTOR_BYTES);
  }

  /** Product, its stride, residual, its stride, gate where there is one, vectors; rows. */
  int writeAddProducts(boolean gated) {
    Register product = Register.RDI;
    Register residual = Register.RDX;
    Register gate = Register.R8;
    final Register vectors = Register.R9;
    final int position = code.startLine();
    int row = code.position();
    code.move(LEFT, vectors);
    begin();
    int loop = code.position();
    code.loadVector(0, at(product));
    if (gated) {
      code.loadVector(1, at(gate));
      code.apply(Operation.STEP_OF_POLYNOMIAL, 0, 1, at(residual));
    } else {
      code.apply(Operation.ADD, 0, 0, at(residual));
    }
    code.storeVector(at(residual), 0);
    goOn(loop);
    code.add(product, Register.RSI);
    code.add(residual, Register.RCX);
    code.decrement(argument(0));
    code.jumpBackUnlessZero(row);
    code.end();
    return position;
  }

  /** Values, rows, from the end of a row to the next, heads, vectors of a head, weight; 1, epsilon, channels of a head. */
  int writeNormHeads() {
    Register values = Register.RDI;
    Register rows = Register.RSI;
    Register gap = Register.RDX;
    final Register heads = Register.RCX;
    final Register vectors = Register.R8;
    final Register weight = Register.R9;
    final Register head = Register.RAX;
    final int one = 15;
    final int channels = 14;

    final int position = code.startLine();
    loadDouble(one, argument(0));
    code.broadcast(channels, argument(2));
    int row = code.position();
    code.move(head, heads);
    int again = code.position();
    zero(0);
    code.move(LEFT, vectors);
    begin();
    int squares = code.position();
    code.loadVector(1, at(values));
    code.apply(Operation.MULTIPLY_ADD, 0, 1, 1);
    goOn(squares);
    sumLanes(0, 1);
    code.apply(Operation.DIVIDE, 0, 0, channels);
    inverseRoot(0, one, argument(1));
    code.move(LEFT, vectors);
    begin();
    int products = code.position();
    code.apply(Operation.MULTIPLY, 1, 0, at(values));
    code.apply(Operation.MULTIPLY, 1, 1, at(weight));
    code.storeVector(at(values), 1);
    goOn(products);
    code.add(values, AT);
    code.decrement(head);
    code.jumpBackUnlessZero(again);
    code.add(values, gap);
    code.decrement(rows);
    code.jumpBackUnlessZero(row);
    code.end();
    return position;
  }

  /** In, its stride, out, its stride, shift, scale; vectors, rows, channels, what scales are added to, epsilon, 1. */
  int writeNormRows() {
    Register in = Register.RDI;
    Register out = Register.RDX;
    Register shift = Register.R8;
    Register scale = Register.R9;
    final Address vectors = argument(0);
    final int one = 15;
    final int channels = 14;
    final int base = 13;
    final int mean = 2;
    final int residue = 3;
    final int factor = 4;

    final int position = code.startLine();
    code.broadcast(channels, argument(2));
    code.broadcast(base, argument(3));
    loadDouble(one, argument(5));
    int row = code.position();
    sumRow(in, vectors, mean);
    code.apply(Operation.DIVIDE, mean, mean, channels);

    zero(residue);
    zero(factor);
    code.load(LEFT, vectors);
    begin();
    int differences = code.position();
    code.loadVector(5, at(in));
    code.apply(Operation.SUBTRACT, 5, 5, mean);
    code.apply(Operation.ADD, residue, residue, 5);
    code.apply(Operation.MULTIPLY_ADD, factor, 5, 5);
    goOn(differences);
    sumLanes(residue, 5);
    code.apply(Operation.DIVIDE, residue, residue, channels);
    sumLanes(factor, 5);
    code.apply(Operation.DIVIDE, factor, factor, channels);
    code.apply(Operation.MULTIPLY, 5, residue, residue);
    code.apply(Operation.SUBTRACT, factor, factor, 5);
    zero(5);
    code.apply(Operation.MAXIMUM, factor, 5, factor);
    inverseRoot(factor, one, argument(4));

    code.load(LEFT, vectors);
    begin();
    int results = code.position();
    code.loadVector(5, at(in));
    code.apply(Operation.SUBTRACT, 5, 5, mean);
    code.apply(Operation.SUBTRACT, 5, 5, residue);
    code.apply(Operation.MULTIPLY, 5, 5, factor);
    code.apply(Operation.ADD, 6, base, at(scale));
    code.apply(Operation.STEP_OF_POLYNOMIAL, 5, 6, at(shift));
    code.storeVector(at(out), 5);
    goOn(results);
    code.add(in, Register.RSI);
    code.add(out, Register.RCX);
    code.decrement(argument(1));
    code.jumpBackUnlessZero(row);
    code.end();
    return position;
  }

  /** In two chains; changes vectors 0 and 1. */
  private void sumRow(Register in, Address vectors, int to) {
    final int even = 0;
    final int odd = 1;
    zero(even);
    zero(odd);
    code.load(LEFT, vectors);
    begin();
    code.subtract(LEFT, 2);
    final int few = code.jumpIfNegative();
    int loop = code.position();
    code.apply(Operation.ADD, even, even, at(in));
    code.apply(Operation.ADD, odd, odd, next(in));
    code.add(AT, 2 * VECTOR_BYTES);
    code.subtract(LEFT, 2);
    code.jumpBackUnlessNegative(loop);
    code.land(few);
    code.add(LEFT, 2);
    final int none = code.jumpIfZero();
    code.apply(Operation.ADD, even, even, at(in));
    code.land(none);
    code.apply(Operation.ADD, to, even, odd);
    sumLanes(to, odd);
  }

  private void begin() {
    code.exclusiveOr(AT, AT);
  }

  private void goOn(int loop) {
    code.add(AT, VECTOR_BYTES);
    code.decrement(LEFT);
    code.jumpBackUnlessZero(loop);
  }

  private void zero(int vector) {
    code.apply(Operation.EXCLUSIVE_OR, vector, vector, vector);
  }

  private void loadDouble(int to, Address from) {
    code.load(LEFT, from);
    code.moveToVector(to, LEFT);
  }

  /** The upper half added to the lower one until one is left, as {@code Lanes.sum} does it; all lanes get the same. */
  private void sumLanes(int vector, int scratch) {
    code.swapHalves(scratch, vector);
    code.apply(Operation.ADD, vector, vector, scratch);
    code.swapQuarters(scratch, vector);
    code.apply(Operation.ADD, vector, vector, scratch);
    code.swapPairs(scratch, vector);
    code.apply(Operation.ADD, vector, vector, scratch);
  }

  /** {@code vector = 1 / sqrt(vector + epsilon)} in float64, in all lanes. */
  private void inverseRoot(int vector, int one, Address epsilon) {
    code.apply(Operation.TO_DOUBLE, vector, vector, vector);
    code.apply(Operation.ADD_DOUBLE, vector, vector, epsilon);
    code.apply(Operation.ROOT_OF_DOUBLE, vector, vector, vector);
    code.apply(Operation.DIVIDE_DOUBLE, vector, one, vector);
    code.apply(Operation.TO_FLOAT, vector, vector, vector);
    code.broadcast(vector, vector);
  }
}
