package dev.longtake.worker.exchange.wire;

import dev.longtake.common.x86.Assembler;
import dev.longtake.common.x86.Assembler.Address;
import dev.longtake.common.x86.Assembler.Register;

/** Writes the functions of {@link FusedCopy}. They get their arguments as the System V ABI passes them, and return the sum. */
final class FusedCopyCode {
  /** Lanes are multiples of it. */
  static final int VECTOR_BYTES = 32;

  private FusedCopyCode() {}

  /** Arguments: source, target, bytes of a lane, sum, what the sums of the first and of the second lane are multiplied by. Returns where it starts. */
  static int writeLanes(Assembler code) {
    Register source = Register.RDI;
    Register target = Register.RSI;
    Register lane = Register.RDX;
    Register remaining = Register.RCX;
    Register behindTwo = Register.R8;
    Register behindOne = Register.R9;
    Register[] sums = {Register.RAX, Register.R10, Register.R11};

    final int position = code.startLine();
    code.move(sums[0], Register.RCX);
    code.subtract(sums[1], sums[1]);
    code.subtract(sums[2], sums[2]);
    code.move(remaining, lane);
    int loop = code.startLine();
    for (int i = 0; i < sums.length; i++) {
      code.loadVector(i, inLane(source, lane, i, 0));
    }
    for (int offset = 0; offset < VECTOR_BYTES; offset += Long.BYTES) {
      for (int i = 0; i < sums.length; i++) {
        code.checksum(sums[i], inLane(source, lane, i, offset));
      }
    }
    for (int i = 0; i < sums.length; i++) {
      code.storeVector(inLane(target, lane, i, 0), i);
    }
    code.add(source, VECTOR_BYTES);
    code.add(target, VECTOR_BYTES);
    code.subtract(remaining, VECTOR_BYTES);
    code.jumpBackUnlessZero(loop);

    // Products have 63 bits; the sum of their exclusive or, as eight bytes, is what is left of
    // them.
    code.moveToVector(0, sums[0]);
    code.moveToVector(1, behindTwo);
    code.multiplyWithoutCarry(0, 0, 1);
    code.moveToVector(2, sums[1]);
    code.moveToVector(3, behindOne);
    code.multiplyWithoutCarry(2, 2, 3);
    code.moveFromVector(Register.RCX, 0);
    code.moveFromVector(Register.RDX, 2);
    code.exclusiveOr(Register.RCX, Register.RDX);
    code.subtract(Register.RAX, Register.RAX);
    code.checksum(Register.RAX, Register.RCX);
    code.exclusiveOr(Register.RAX, sums[2]);
    code.end();
    return position;
  }

  private static Address inLane(Register base, Register lane, int index, int offset) {
    return index == 0 ? Address.of(base, offset) : new Address(base, lane, index, offset);
  }

  /** Arguments: source, target, bytes, sum. Returns where it starts. */
  static int writeRest(Assembler code) {
    Register source = Register.RDI;
    Register target = Register.RSI;
    Register remaining = Register.RDX;
    Register sum = Register.RAX;
    Register value = Register.R8;

    final int position = code.startLine();
    code.move(sum, Register.RCX);
    code.subtract(remaining, Long.BYTES);
    final int few = code.jumpIfNegative();
    int words = code.startLine();
    code.checksum(sum, Address.of(source, 0));
    code.load(value, Address.of(source, 0));
    code.store(Address.of(target, 0), value);
    code.add(source, Long.BYTES);
    code.add(target, Long.BYTES);
    code.subtract(remaining, Long.BYTES);
    code.jumpBackUnlessNegative(words);
    code.land(few);
    code.add(remaining, Long.BYTES);
    final int none = code.jumpIfZero();
    int bytes = code.position();
    code.checksumOfByte(sum, Address.of(source, 0));
    code.loadByte(value, Address.of(source, 0));
    code.storeByte(Address.of(target, 0), value);
    code.add(source, 1);
    code.add(target, 1);
    code.decrement(remaining);
    code.jumpBackUnlessZero(bytes);
    code.land(none);
    code.end();
    return position;
  }
}
