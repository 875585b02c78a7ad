package dev.longtake.worker.device.cpu.x86;

import dev.longtake.common.x86.Assembler;
import dev.longtake.common.x86.Assembler.Address;
import dev.longtake.common.x86.Assembler.Operation;
import dev.longtake.common.x86.Assembler.Register;

/**
 * Writes the kernel that multiplies some rows of A by some vectors of columns of B, for one number of each. It goes down A and C by
 * itself, so that one call does a whole tile.
 *
 * <p>Arguments, as the System V ABI passes them: A, its stride, B, C, its stride and the inner dimension in registers; on the stack how
 * often, what the sums begin with and the stride of that.
 */
final class ProductCode {
  private static final int VECTOR_BYTES = PanelKernels.LANES * Float.BYTES;

  /** Steps along the inner dimension for one turn of the loop. */
  private static final int UNROLLED = 4;

  private static final Register A = Register.RDI;
  private static final Register STRIDE_OF_A = Register.RSI;
  private static final Register B = Register.RDX;
  private static final Register C = Register.RCX;
  private static final Register STRIDE_OF_C = Register.R8;
  private static final Register INNER = Register.R9;
  private static final Address COUNT = Address.of(Register.RSP, 8);
  private static final Address START = Address.of(Register.RSP, 16);
  private static final Address STRIDE_OF_START = Address.of(Register.RSP, 24);

  private static final Register FROM = Register.RAX;

  /** Where the fourth row of A is: an address has room for strides of one and two. */
  private static final Register LOWER = Register.R10;

  private static final Register REST = Register.R11;

  private final Assembler code;
  private final int rows;
  private final int vectors;

  /** A row of B, in bytes. */
  private final int rowBytes;

  ProductCode(Assembler code, int rows, int vectors) {
    this.code = code;
    this.rows = rows;
    this.vectors = vectors;
    this.rowBytes = vectors * VECTOR_BYTES;
  }

  /** Writes the function and returns where it starts. */
  int write() {
    final int position = code.startLine();
    code.load(FROM, START);
    int again = code.position();
    loadSums();
    code.loadAddress(LOWER, Address.of(A, STRIDE_OF_A, 2));
    code.add(LOWER, STRIDE_OF_A);
    steps();
    storeSums();
    goBack();
    code.decrement(COUNT);
    code.jumpBackUnlessZero(again);
    code.end();
    return position;
  }

  private void loadSums() {
    for (int row = 0; row < rows; row++) {
      for (int vector = 0; vector < vectors; vector++) {
        code.loadVector(sum(row, vector), Address.of(FROM, vector * VECTOR_BYTES));
      }
      code.add(FROM, STRIDE_OF_START);
    }
  }

  private void steps() {
    code.move(REST, INNER);
    code.subtract(REST, UNROLLED);
    final int few = code.jumpIfNegative();
    int loop = code.startLine();
    for (int step = 0; step < UNROLLED; step++) {
      step(step);
    }
    advance(UNROLLED);
    code.subtract(REST, UNROLLED);
    code.jumpBackUnlessNegative(loop);
    code.land(few);
    code.add(REST, UNROLLED);
    final int none = code.jumpIfZero();
    int tail = code.position();
    step(0);
    advance(1);
    code.decrement(REST);
    code.jumpBackUnlessZero(tail);
    code.land(none);
  }

  /** One step along the inner dimension. */
  private void step(int step) {
    int ofB = PanelKernels.ROWS * PanelKernels.VECTORS;
    int ofA = ofB + PanelKernels.VECTORS;
    for (int vector = 0; vector < vectors; vector++) {
      code.loadVector(ofB + vector, Address.of(B, step * rowBytes + vector * VECTOR_BYTES));
    }
    for (int row = 0; row < rows; row++) {
      code.broadcast(ofA, element(row, step));
      for (int vector = 0; vector < vectors; vector++) {
        code.apply(Operation.MULTIPLY_ADD, sum(row, vector), ofA, ofB + vector);
      }
    }
  }

  private Address element(int row, int step) {
    Register base = row < 3 ? A : LOWER;
    int at = step * Float.BYTES;
    return switch (row % 3) {
      case 0 -> Address.of(base, at);
      case 1 -> new Address(base, STRIDE_OF_A, 1, at);
      default -> new Address(base, STRIDE_OF_A, 2, at);
    };
  }

  private void advance(int steps) {
    code.add(A, steps * Float.BYTES);
    if (rows > 3) {
      code.add(LOWER, steps * Float.BYTES);
    }
    code.add(B, steps * rowBytes);
  }

  private void storeSums() {
    for (int row = 0; row < rows; row++) {
      for (int vector = 0; vector < vectors; vector++) {
        code.storeVector(Address.of(C, vector * VECTOR_BYTES), sum(row, vector));
      }
      code.add(C, STRIDE_OF_C);
    }
  }

  /** To the start of B, and to the next rows of A. */
  private void goBack() {
    code.move(REST, INNER);
    code.shiftLeft(REST, Integer.numberOfTrailingZeros(Float.BYTES));
    code.subtract(A, REST);
    for (int row = 0; row < rows; row++) {
      code.add(A, STRIDE_OF_A);
    }
    code.shiftLeft(REST, Integer.numberOfTrailingZeros(rowBytes / Float.BYTES));
    code.subtract(B, REST);
  }

  private static int sum(int row, int vector) {
    return row * PanelKernels.VECTORS + vector;
  }
}
