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
  private final Assembler code;
  private final RowLoop loop;

  RowCode(Assembler code) {
    this.code = code;
    loop = new RowLoop(code);
  }

  /** Product, its stride, residual, its stride, gate where there is one, vectors; rows. */
  int writeAddProducts(boolean gated) {
    Register product = Register.RDI;
    Register residual = Register.RDX;
    Register gate = Register.R8;
    final Register vectors = Register.R9;
    final int position = code.startLine();
    int row = code.position();
    loop.begin(vectors);
    int again = code.position();
    code.loadVector(0, RowLoop.at(product));
    if (gated) {
      code.loadVector(1, RowLoop.at(gate));
      code.apply(Operation.STEP_OF_POLYNOMIAL, 0, 1, RowLoop.at(residual));
    } else {
      code.apply(Operation.ADD, 0, 0, RowLoop.at(residual));
    }
    code.storeVector(RowLoop.at(residual), 0);
    loop.goOn(again);
    code.add(product, Register.RSI);
    code.add(residual, Register.RCX);
    code.decrement(RowLoop.argument(0));
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
    loadDouble(one, RowLoop.argument(0));
    code.broadcast(channels, RowLoop.argument(2));
    int row = code.position();
    code.move(head, heads);
    int again = code.position();
    zero(0);
    loop.begin(vectors);
    int squares = code.position();
    code.loadVector(1, RowLoop.at(values));
    code.apply(Operation.MULTIPLY_ADD, 0, 1, 1);
    loop.goOn(squares);
    loop.overLanes(Operation.ADD, 0, 1);
    code.apply(Operation.DIVIDE, 0, 0, channels);
    inverseRoot(0, one, RowLoop.argument(1));
    loop.begin(vectors);
    int products = code.position();
    code.apply(Operation.MULTIPLY, 1, 0, RowLoop.at(values));
    code.apply(Operation.MULTIPLY, 1, 1, RowLoop.at(weight));
    code.storeVector(RowLoop.at(values), 1);
    loop.goOn(products);
    code.add(values, RowLoop.AT);
    code.decrement(head);
    code.jumpBackUnlessZero(again);
    code.add(values, gap);
    code.decrement(rows);
    code.jumpBackUnlessZero(row);
    code.end();
    return position;
  }

  /** Values, heads, vectors of a head, cosines, sines. */
  int writeRotateHeads() {
    Register values = Register.RDI;
    Register heads = Register.RSI;
    Register vectors = Register.RDX;
    final Register cosines = Register.RCX;
    final Register sines = Register.R8;
    final int position = code.startLine();
    int head = code.position();
    loop.begin(vectors);
    int again = code.position();
    code.loadVector(0, RowLoop.at(values));
    code.apply(Operation.MULTIPLY, 1, 0, RowLoop.at(cosines));
    code.swapPairs(0, 0);
    code.apply(Operation.MULTIPLY_ADD, 1, 0, RowLoop.at(sines));
    code.storeVector(RowLoop.at(values), 1);
    loop.goOn(again);
    code.add(values, RowLoop.AT);
    code.decrement(heads);
    code.jumpBackUnlessZero(head);
    code.end();
    return position;
  }

  /** In, its stride, out, its stride, shift, scale; vectors, rows, channels, what scales are added to, epsilon, 1. */
  int writeNormRows() {
    Register in = Register.RDI;
    Register out = Register.RDX;
    Register shift = Register.R8;
    Register scale = Register.R9;
    final Address vectors = RowLoop.argument(0);
    final int one = 15;
    final int channels = 14;
    final int base = 13;
    final int mean = 2;
    final int residue = 3;
    final int factor = 4;

    final int position = code.startLine();
    code.broadcast(channels, RowLoop.argument(2));
    code.broadcast(base, RowLoop.argument(3));
    loadDouble(one, RowLoop.argument(5));
    int row = code.position();
    sumRow(in, vectors, mean);
    code.apply(Operation.DIVIDE, mean, mean, channels);

    zero(residue);
    zero(factor);
    loop.begin(vectors);
    int differences = code.position();
    code.loadVector(5, RowLoop.at(in));
    code.apply(Operation.SUBTRACT, 5, 5, mean);
    code.apply(Operation.ADD, residue, residue, 5);
    code.apply(Operation.MULTIPLY_ADD, factor, 5, 5);
    loop.goOn(differences);
    loop.overLanes(Operation.ADD, residue, 5);
    code.apply(Operation.DIVIDE, residue, residue, channels);
    loop.overLanes(Operation.ADD, factor, 5);
    code.apply(Operation.DIVIDE, factor, factor, channels);
    code.apply(Operation.MULTIPLY, 5, residue, residue);
    code.apply(Operation.SUBTRACT, factor, factor, 5);
    zero(5);
    code.apply(Operation.MAXIMUM, factor, 5, factor);
    inverseRoot(factor, one, RowLoop.argument(4));

    loop.begin(vectors);
    int results = code.position();
    code.loadVector(5, RowLoop.at(in));
    code.apply(Operation.SUBTRACT, 5, 5, mean);
    code.apply(Operation.SUBTRACT, 5, 5, residue);
    code.apply(Operation.MULTIPLY, 5, 5, factor);
    code.apply(Operation.ADD, 6, base, RowLoop.at(scale));
    code.apply(Operation.STEP_OF_POLYNOMIAL, 5, 6, RowLoop.at(shift));
    code.storeVector(RowLoop.at(out), 5);
    loop.goOn(results);
    code.add(in, Register.RSI);
    code.add(out, Register.RCX);
    code.decrement(RowLoop.argument(1));
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
    loop.begin(vectors);
    code.subtract(RowLoop.LEFT, 2);
    final int few = code.jumpIfNegative();
    int again = code.position();
    code.apply(Operation.ADD, even, even, RowLoop.at(in));
    code.apply(Operation.ADD, odd, odd, RowLoop.next(in));
    code.add(RowLoop.AT, 2 * RowLoop.VECTOR_BYTES);
    code.subtract(RowLoop.LEFT, 2);
    code.jumpBackUnlessNegative(again);
    code.land(few);
    code.add(RowLoop.LEFT, 2);
    final int none = code.jumpIfZero();
    code.apply(Operation.ADD, even, even, RowLoop.at(in));
    code.land(none);
    code.apply(Operation.ADD, to, even, odd);
    loop.overLanes(Operation.ADD, to, odd);
  }

  private void zero(int vector) {
    code.apply(Operation.EXCLUSIVE_OR, vector, vector, vector);
  }

  private void loadDouble(int to, Address from) {
    code.load(RowLoop.LEFT, from);
    code.moveToVector(to, RowLoop.LEFT);
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
