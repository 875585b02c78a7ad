package dev.longtake.common.x86;

import java.util.Arrays;

/**
 * Writes the few instructions of x86-64, SSE4.2 and AVX2 that our kernels consist of. Encodings are those of Intel's "Software Developer's
 * Manual", volume 2. Not for several threads.
 */
public final class Assembler {
  /** A general register. */
  public enum Register {
    RAX(0),
    RCX(1),
    RDX(2),
    RSP(4),
    RSI(6),
    RDI(7),
    R8(8),
    R9(9),
    R10(10),
    R11(11);

    private final int number;

    Register(int number) {
      this.number = number;
    }

    /** What fits into an instruction's own fields. */
    int low() {
      return number & 7;
    }

    /** The rest, which is in a prefix. */
    int high() {
      return number >> 3;
    }
  }

  /**
   * The memory at {@code base + index * scale + displacement} bytes.
   *
   * @param index {@link Register#RSP} for none, as the processor has it
   * @param scale 1, 2, 4 or 8
   */
  public record Address(Register base, Register index, int scale, int displacement) {
    public static Address of(Register base, int displacement) {
      return new Address(base, Register.RSP, 1, displacement);
    }

    /** {@code base + index * scale}. */
    public static Address of(Register base, Register index, int scale) {
      return new Address(base, index, scale, 0);
    }
  }

  /** What is done to each lane of one or two vectors, of float32 unless said otherwise. */
  public enum Operation {
    ADD(OPCODES_0F, PREFIX_NONE, 0x58),
    SUBTRACT(OPCODES_0F, PREFIX_NONE, 0x5C),
    MULTIPLY(OPCODES_0F, PREFIX_NONE, 0x59),
    DIVIDE(OPCODES_0F, PREFIX_NONE, 0x5E),
    /** The second one where neither is greater. */
    MAXIMUM(OPCODES_0F, PREFIX_NONE, 0x5F),
    /** In each half, the lower two lanes of both in turns. */
    INTERLEAVE_LOWER(OPCODES_0F, PREFIX_NONE, 0x14),
    /** In each half, the upper two lanes of both in turns. */
    INTERLEAVE_UPPER(OPCODES_0F, PREFIX_NONE, 0x15),
    /** Of the bits. */
    EXCLUSIVE_OR(OPCODES_0F, PREFIX_NONE, 0x57),
    /** Of the bits. */
    OR(OPCODES_0F, PREFIX_NONE, 0x56),
    /** The second one's bits where the first one's are 0. */
    AND_NOT(OPCODES_0F, PREFIX_NONE, 0x55),
    /** Of integers. */
    SUBTRACT_INTEGERS(OPCODES_0F, PREFIX_66, 0xFA),
    /** {@code to += a * b} with one rounding. */
    MULTIPLY_ADD(OPCODES_0F38, PREFIX_66, 0xB8),
    /** {@code to = a * b - to} with one rounding. */
    MULTIPLY_SUBTRACT(OPCODES_0F38, PREFIX_66, 0xBA),
    /** {@code to = to * a + b} with one rounding. */
    STEP_OF_POLYNOMIAL(OPCODES_0F38, PREFIX_66, 0xA8),

    /** Of the first lane of {@code b}, from float32 to float64, which takes two lanes. */
    TO_DOUBLE(OPCODES_0F, PREFIX_F3, 0x5A),
    /** Of the first float64 of {@code b}, to float32. */
    TO_FLOAT(OPCODES_0F, PREFIX_F2, 0x5A),
    /** Of the first float64 alone. */
    ADD_DOUBLE(OPCODES_0F, PREFIX_F2, 0x58),
    /** Of the first float64 alone. */
    DIVIDE_DOUBLE(OPCODES_0F, PREFIX_F2, 0x5E),
    /** Of the first float64 of {@code b}. */
    ROOT_OF_DOUBLE(OPCODES_0F, PREFIX_F2, 0x51);

    private final int opcodes;
    private final int prefix;
    private final int opcode;

    Operation(int opcodes, int prefix, int opcode) {
      this.opcodes = opcodes;
      this.prefix = prefix;
      this.opcode = opcode;
    }
  }

  private static final int OPCODES_0F = 1;
  private static final int OPCODES_0F38 = 2;
  private static final int OPCODES_0F3A = 3;
  private static final int PREFIX_NONE = 0;
  private static final int PREFIX_66 = 1;
  private static final int PREFIX_F3 = 2;
  private static final int PREFIX_F2 = 3;

  /** Of comparisons: ordered, and no exception for a NaN. */
  private static final int LESS = 17;

  /** In a VEX prefix: eight bytes. */
  private static final int WIDE = 0x80;

  /** Where functions and loops start: the processor fetches code in lines. */
  private static final int LINE_BYTES = 64;

  private byte[] code = new byte[4096];
  private int size;

  /** Where the next instruction goes, in bytes from the start. */
  public int position() {
    return size;
  }

  /** What was written until now. */
  public byte[] code() {
    return Arrays.copyOf(code, size);
  }

  /** Fills the line with instructions that do nothing, and returns where the next one starts. */
  public int startLine() {
    while (size % LINE_BYTES != 0) {
      emit(0x90);
    }
    return size;
  }

  // General registers.

  /** {@code to = from}. */
  public void move(Register to, Register from) {
    wide(0x89, from, to);
  }

  /** {@code to += from}. */
  public void add(Register to, Register from) {
    wide(0x01, from, to);
  }

  /** {@code to -= from}. */
  public void subtract(Register to, Register from) {
    wide(0x29, from, to);
  }

  /** {@code to ^= from}. */
  public void exclusiveOr(Register to, Register from) {
    wide(0x31, from, to);
  }

  /** {@code to += value}. */
  public void add(Register to, int value) {
    wideWithNumber(0, to, value);
  }

  /** {@code to -= value}. */
  public void subtract(Register to, int value) {
    wideWithNumber(5, to, value);
  }

  /** {@code to <<= bits}. */
  public void shiftLeft(Register to, int bits) {
    emit(0x48 | to.high(), 0xC1, 0xE0 | to.low(), bits);
  }

  /** {@code to -= 1}. */
  public void decrement(Register to) {
    emit(0x48 | to.high(), 0xFF, 0xC8 | to.low());
  }

  /** Eight bytes in memory. */
  public void decrement(Address at) {
    rex(0, at);
    emit(0xFF);
    operand(1, at);
  }

  /** Eight bytes from memory. */
  public void add(Register to, Address from) {
    rex(to.high(), from);
    emit(0x03);
    operand(to.low(), from);
  }

  /** {@code to = the address}, not what is there. */
  public void loadAddress(Register to, Address from) {
    rex(to.high(), from);
    emit(0x8D);
    operand(to.low(), from);
  }

  /** Eight bytes. */
  public void load(Register to, Address from) {
    rex(to.high(), from);
    emit(0x8B);
    operand(to.low(), from);
  }

  /** Eight bytes. */
  public void store(Address to, Register from) {
    rex(from.high(), to);
    emit(0x89);
    operand(from.low(), to);
  }

  /** One byte; the register's others become 0. */
  public void loadByte(Register to, Address from) {
    rex(to.high(), from);
    emit(0x0F, 0xB6);
    operand(to.low(), from);
  }

  /** The lowest byte. */
  public void storeByte(Address to, Register from) {
    rex(from.high(), to);
    emit(0x88);
    operand(from.low(), to);
  }

  // Checksums: CRC32C of what came before and of these bytes; the upper half becomes 0.

  /** Of eight bytes in memory. */
  public void checksum(Register sum, Address at) {
    emit(0xF2);
    rex(sum.high(), at);
    emit(0x0F, 0x38, 0xF1);
    operand(sum.low(), at);
  }

  /** Of a register's eight bytes. */
  public void checksum(Register sum, Register from) {
    emit(0xF2, 0x48 | (sum.high() << 2) | from.high(), 0x0F, 0x38, 0xF1);
    emit(0xC0 | (sum.low() << 3) | from.low());
  }

  /** Of a byte in memory. */
  public void checksumOfByte(Register sum, Address at) {
    emit(0xF2);
    rex(sum.high(), at);
    emit(0x0F, 0x38, 0xF0);
    operand(sum.low(), at);
  }

  // Jumps, by the result of the last sum, difference or decrement.

  /** To where {@link #position} was. */
  public void jumpBackUnlessZero(int target) {
    jumpBack(0x85, target);
  }

  /** To where {@link #position} was. */
  public void jumpBackUnlessNegative(int target) {
    jumpBack(0x89, target);
  }

  /** A jump forward, whose target {@link #land} names. */
  public int jumpIfNegative() {
    return jumpForward(0x88);
  }

  /** A jump forward, whose target {@link #land} names. */
  public int jumpIfZero() {
    return jumpForward(0x84);
  }

  /** Here a jump forward ends. */
  public void land(int jump) {
    writeInt(jump, size - (jump + Integer.BYTES));
  }

  /** Ends the kernel; the upper halves of the vectors are left clean for code without AVX. */
  public void end() {
    emit(0xC5, 0xF8, 0x77);
    emit(0xC3);
  }

  // Vectors of eight float32, numbered 0 to 15.

  /** 32 bytes from any address. */
  public void loadVector(int to, Address from) {
    vex(OPCODES_0F, PREFIX_NONE, to, 0, from, 0x10);
  }

  /** 32 bytes to any address. */
  public void storeVector(Address to, int from) {
    vex(OPCODES_0F, PREFIX_NONE, from, 0, to, 0x11);
  }

  /** The first lane alone. */
  public void storeFirst(Address to, int from) {
    vex(OPCODES_0F, PREFIX_F3, from, 0, to, 0x11);
  }

  /** One float32 to all lanes. */
  public void broadcast(int to, Address from) {
    vex(OPCODES_0F38, PREFIX_66, to, 0, from, 0x18);
  }

  /** The first lane to all lanes. */
  public void broadcast(int to, int from) {
    vex(OPCODES_0F38, PREFIX_66, to, 0, from, 0x18);
  }

  /** The upper half becomes the lower one, and the other way round. */
  public void swapHalves(int to, int from) {
    joinHalves(to, from, from, 0x01);
  }

  /** The lower halves of both. */
  public void joinLowerHalves(int to, int a, int b) {
    joinHalves(to, a, b, 0x20);
  }

  /** The upper halves of both. */
  public void joinUpperHalves(int to, int a, int b) {
    joinHalves(to, a, b, 0x31);
  }

  private void joinHalves(int to, int a, int b, int which) {
    vex(OPCODES_0F3A, PREFIX_66, to, a, b, 0x06);
    emit(which);
  }

  /** In each half, the lower two lanes of both. */
  public void joinLowerQuarters(int to, int a, int b) {
    vex(OPCODES_0F, PREFIX_NONE, to, a, b, 0xC6);
    emit(0x44);
  }

  /** In each half, the upper two lanes of both. */
  public void joinUpperQuarters(int to, int a, int b) {
    vex(OPCODES_0F, PREFIX_NONE, to, a, b, 0xC6);
    emit(0xEE);
  }

  /** In each half, the upper two lanes become the lower ones, and the other way round. */
  public void swapQuarters(int to, int from) {
    permute(to, from, 0x4E);
  }

  /** The two lanes of each pair change places. */
  public void swapPairs(int to, int from) {
    permute(to, from, 0xB1);
  }

  private void permute(int to, int from, int order) {
    vex(OPCODES_0F3A, PREFIX_66, to, 0, from, 0x04);
    emit(order);
  }

  /** {@code to = a operation b}. */
  public void apply(Operation operation, int to, int a, int b) {
    vex(operation.opcodes, operation.prefix, to, a, b, operation.opcode);
  }

  /** {@code to = a operation b}. */
  public void apply(Operation operation, int to, int a, Address b) {
    vex(operation.opcodes, operation.prefix, to, a, b, operation.opcode);
  }

  /** All bits of a lane of {@code to} are set where {@code a < b}, none where not or where one is a NaN. */
  public void compareLess(int to, int a, Address b) {
    vex(OPCODES_0F, PREFIX_NONE, to, a, b, 0xC2);
    emit(LESS);
  }

  /** {@code to = mask ? b : a}, the mask being a lane's highest bit. */
  public void select(int to, int a, int b, int mask) {
    vex(OPCODES_0F3A, PREFIX_66, to, a, b, 0x4A);
    emit(mask << 4);
  }

  /** All lanes as integers, moved up by {@code bits}. */
  public void shiftVectorLeft(int to, int from, int bits) {
    vex(OPCODES_0F, PREFIX_66, 6, to, from, 0x72);
    emit(bits);
  }

  /** All lanes as integers without sign, moved down by {@code bits}. */
  public void shiftVectorRight(int to, int from, int bits) {
    vex(OPCODES_0F, PREFIX_66, 2, to, from, 0x72);
    emit(bits);
  }

  // The lower eight bytes of a vector.

  /** The vector's other bytes become 0. */
  public void moveToVector(int to, Register from) {
    moveVector(0x6E, to, from);
  }

  /** {@code to = the lower eight bytes}. */
  public void moveFromVector(Register to, int from) {
    moveVector(0x7E, from, to);
  }

  private void moveVector(int opcode, int vector, Register register) {
    emit(
        0xC4,
        inverted(vector >> 3, 7) | inverted(0, 6) | inverted(register.high(), 5) | OPCODES_0F);
    emit(WIDE | inverted(0, 6) | inverted(0, 5) | inverted(0, 4) | inverted(0, 3) | PREFIX_66);
    emit(opcode, 0xC0 | ((vector & 7) << 3) | register.low());
  }

  /** {@code to = a * b} without carries, of the lower eight bytes of each. */
  public void multiplyWithoutCarry(int to, int a, int b) {
    emit(0xC4, inverted(to >> 3, 7) | inverted(0, 6) | inverted(b >> 3, 5) | OPCODES_0F3A);
    emit(((~a & 15) << 3) | PREFIX_66);
    emit(0x44, 0xC0 | ((to & 7) << 3) | (b & 7), 0);
  }

  // The three bytes of a VEX prefix have the high bits of registers inverted.

  private void vex(int opcodes, int prefix, int reg, int second, int rm, int opcode) {
    emit(0xC4, inverted(reg >> 3, 7) | inverted(0, 6) | inverted(rm >> 3, 5) | opcodes);
    emit(((~second & 15) << 3) | (1 << 2) | prefix);
    emit(opcode);
    emit(0xC0 | ((reg & 7) << 3) | (rm & 7));
  }

  private void vex(int opcodes, int prefix, int reg, int second, Address at, int opcode) {
    int index = at.index().high();
    int base = at.base().high();
    emit(0xC4, inverted(reg >> 3, 7) | inverted(index, 6) | inverted(base, 5) | opcodes);
    emit(((~second & 15) << 3) | (1 << 2) | prefix);
    emit(opcode);
    operand(reg & 7, at);
  }

  private static int inverted(int bit, int place) {
    return (1 - bit) << place;
  }

  private void rex(int regHigh, Address at) {
    emit(0x48 | (regHigh << 2) | (at.index().high() << 1) | at.base().high());
  }

  /** Always with a scale-index-base byte, which every base allows. */
  private void operand(int regLow, Address at) {
    int displacement = at.displacement();
    boolean small = displacement == (byte) displacement;
    emit((small ? 0x44 : 0x84) | (regLow << 3));
    int scale = Integer.numberOfTrailingZeros(at.scale());
    emit((scale << 6) | (at.index().low() << 3) | at.base().low());
    if (small) {
      emit(displacement);
    } else {
      emitInt(displacement);
    }
  }

  private void wide(int opcode, Register reg, Register rm) {
    emit(0x48 | (reg.high() << 2) | rm.high(), opcode, 0xC0 | (reg.low() << 3) | rm.low());
  }

  private void wideWithNumber(int operation, Register to, int value) {
    emit(0x48 | to.high(), 0x81, 0xC0 | (operation << 3) | to.low());
    emitInt(value);
  }

  private void jumpBack(int opcode, int target) {
    emit(0x0F, opcode);
    emitInt(target - (size + Integer.BYTES));
  }

  private int jumpForward(int opcode) {
    emit(0x0F, opcode);
    emitInt(0);
    return size - Integer.BYTES;
  }

  private void emit(int... bytes) {
    if (size + bytes.length > code.length) {
      code = Arrays.copyOf(code, 2 * code.length);
    }
    for (int value : bytes) {
      code[size++] = (byte) value;
    }
  }

  private void emitInt(int value) {
    emit(value, value >> 8, value >> 16, value >> 24);
  }

  private void writeInt(int at, int value) {
    for (int i = 0; i < Integer.BYTES; i++) {
      code[at + i] = (byte) (value >> (8 * i));
    }
  }
}
