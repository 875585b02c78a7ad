package dev.longtake.worker.device.cpu.x86;

import dev.longtake.common.x86.Assembler;
import dev.longtake.common.x86.Assembler.Address;
import dev.longtake.common.x86.Assembler.Operation;
import dev.longtake.common.x86.Assembler.Register;

/** Writes what functions that go along rows, vector by vector, have in common. */
final class RowLoop {
  static final int VECTOR_BYTES = PanelKernels.LANES * Float.BYTES;

  /** How far a row is done, in bytes. */
  static final Register AT = Register.R11;

  /** Vectors that are left. */
  static final Register LEFT = Register.R10;

  private final Assembler code;

  RowLoop(Assembler code) {
    this.code = code;
  }

  /** An argument on the stack, the first being 0. */
  static Address argument(int index) {
    return Address.of(Register.RSP, (index + 1) * Long.BYTES);
  }

  /** Where the loop is in a row. */
  static Address at(Register row) {
    return Address.of(row, AT, 1);
  }

  /** The vector behind that. */
  static Address next(Register row) {
    return new Address(row, AT, 1, VECTOR_BYTES);
  }

  /** Of so many vectors. */
  void begin(Register vectors) {
    code.move(LEFT, vectors);
    code.exclusiveOr(AT, AT);
  }

  /** Of so many vectors. */
  void begin(Address vectors) {
    code.load(LEFT, vectors);
    code.exclusiveOr(AT, AT);
  }

  /** To the next vector, or on behind the loop; {@link #AT} is then the row's length. */
  void goOn(int loop) {
    code.add(AT, VECTOR_BYTES);
    code.decrement(LEFT);
    code.jumpBackUnlessZero(loop);
  }

  /** The upper half to the lower one until one is left, as {@code Lanes.sum} does it; all lanes get the same. */
  void overLanes(Operation operation, int vector, int scratch) {
    code.swapHalves(scratch, vector);
    code.apply(operation, vector, vector, scratch);
    code.swapQuarters(scratch, vector);
    code.apply(operation, vector, vector, scratch);
    code.swapPairs(scratch, vector);
    code.apply(operation, vector, vector, scratch);
  }
}
