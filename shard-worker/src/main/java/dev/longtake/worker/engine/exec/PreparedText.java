package dev.longtake.worker.engine.exec;

import dev.longtake.common.tensor.DType;
import dev.longtake.worker.device.DeviceBuffer;
import dev.longtake.worker.device.DeviceMemory;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.engine.program.Instruction;
import dev.longtake.worker.engine.program.Program;
import dev.longtake.worker.engine.program.Value;
import java.util.HashMap;
import java.util.Map;

/**
 * A text as the blocks read it: projected, [tokens, C], and as keys and values of each attention to it, [tokens, 2C], all F32. Real
 * tokens only. It depends on the text and the weights alone, and nobody writes to it once it is made, so jobs may share it. Owns its
 * memory, which is one allocation.
 */
public final class PreparedText implements AutoCloseable {
  /** Matrices start where vector loads are aligned: 64 bytes. */
  private static final int ALIGNMENT_FLOATS = 16;

  private final DeviceBuffer buffer;
  private final Map<Value, Matrix> values = new HashMap<>();

  private PreparedText(DeviceBuffer buffer, Program program, int tokens) {
    this.buffer = buffer;
    long offset = 0;
    for (Instruction instruction : program.text()) {
      int columns = columns(program, instruction);
      values.put(
          instruction.writes(), new Matrix(buffer, offset, tokens, columns, columns, DType.F32));
      offset += floats(tokens, columns);
    }
  }

  /** Memory for what a program makes of a text; not yet computed. */
  static PreparedText allocate(DeviceMemory memory, Program program, int tokens) {
    return new PreparedText(
        memory.allocate(sizeBytes(program, tokens), "condition"), program, tokens);
  }

  /** What a program makes of a text of so many tokens takes. */
  public static long sizeBytes(Program program, int tokens) {
    long floats = 0;
    for (Instruction instruction : program.text()) {
      floats += floats(tokens, columns(program, instruction));
    }
    return floats * Float.BYTES;
  }

  private static long floats(int tokens, int columns) {
    return Math.ceilDiv((long) tokens * columns, ALIGNMENT_FLOATS) * (long) ALIGNMENT_FLOATS;
  }

  private static int columns(Program program, Instruction instruction) {
    var text = program.model().text();
    int channels = program.model().channels();
    if (instruction instanceof Instruction.ProjectText project && text != null) {
      return project.layers().isEmpty() ? text.channels() : channels;
    }
    if (instruction instanceof Instruction.ProjectKeyValue) {
      return 2 * channels;
    }
    throw new IllegalStateException(
        "Expected a text to be projected only, but its program has " + instruction);
  }

  /** What an instruction wrote; only to be read, by whoever holds the text. */
  Matrix get(Value value) {
    Matrix matrix = values.get(value);
    if (matrix == null) {
      throw new IllegalStateException("Expected a program that writes '" + value.name() + "'");
    }
    return matrix;
  }

  /** On the device. */
  public long sizeBytes() {
    return buffer.sizeBytes();
  }

  @Override
  public void close() {
    buffer.close();
  }
}
