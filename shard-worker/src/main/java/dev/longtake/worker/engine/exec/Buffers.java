package dev.longtake.worker.engine.exec;

import dev.longtake.common.tensor.DType;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.DeviceBuffer;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.model.Op;
import dev.longtake.worker.engine.model.VectorOp;
import dev.longtake.worker.engine.program.Instruction;
import dev.longtake.worker.engine.program.Program;
import dev.longtake.worker.engine.program.Value;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * All device memory of one job on one rank besides the weights, allocated before the first step. Token buffers are sized for
 * the larger of the splits: {@code 4 bytes * tokens * (3C + max(3C, MLP width))} and twice the prediction, so linear in tokens.
 */
final class Buffers implements AutoCloseable {
  private final Device device;
  private final List<DeviceBuffer> owned = new ArrayList<>();
  private final Map<Value, Matrix> small = new HashMap<>();
  private final DeviceBuffer narrow;
  private final DeviceBuffer wide;
  private DeviceBuffer residual;
  private DeviceBuffer residualSpare;
  private DeviceBuffer prediction;
  private DeviceBuffer predictionSpare;
  private final ModelDescription model;
  private final int maxRows;

  Buffers(Device device, Program program, Geometry geometry, Condition condition) {
    this.device = device;
    this.model = program.model();
    this.maxRows = geometry.maxRows();
    long channels = model.channels();
    boolean switches = program.step().stream().anyMatch(i -> i instanceof Instruction.SwitchSplit);
    try {
      narrow = allocate(maxRows * channels, "activations");
      wide = allocate(maxRows * wideColumns(model), "activations");
      residual = allocate(maxRows * channels, "activations");
      residualSpare = switches ? allocate(maxRows * channels, "activations") : residual;
      prediction = allocate((long) maxRows * predictionColumns(), "activations");
      predictionSpare =
          switches ? allocate((long) maxRows * predictionColumns(), "activations") : prediction;
      allocateSmall(program, condition);
    } catch (Throwable e) {
      close();
      throw e;
    }
  }

  /** The widest product a block writes; the patches' values share the buffer. */
  private static long wideColumns(ModelDescription model) {
    int widest = 3 * model.channels();
    for (var block : model.blocks()) {
      for (Op op : block.ops()) {
        if (op instanceof Op.Mlp mlp) {
          widest = Math.max(widest, mlp.hidden());
        }
      }
    }
    return Math.max(widest, model.latentChannels() * model.patchSize().volume());
  }

  private int predictionColumns() {
    return model.outputChannels() * model.patchSize().volume();
  }

  private void allocateSmall(Program program, Condition condition) {
    List<Instruction> all = new ArrayList<>(program.condition());
    all.addAll(program.step());
    int channels = model.channels();
    int tokens = condition.textTokens();
    small.put(Value.ENCODED_TEXT, matrix(tokens, model.text().textChannels(), "condition"));
    for (Instruction instruction : all) {
      int rows = condition.vectorRows();
      Value value = instruction.writes();
      switch (instruction) {
        case Instruction.ProjectText _ -> small.put(value, matrix(tokens, channels, "condition"));
        case Instruction.ProjectKeyValue _ ->
            small.put(value, matrix(tokens, 2 * channels, "condition"));
        case Instruction.ComputeVector vector ->
            small.put(value, matrix(rows, vectorColumns(vector.op()), "vectors"));
        case Instruction.AddTable table ->
            small.put(value, matrix(rows, table.rows() * channels, "vectors"));
        case Instruction.SwitchSplit _, Instruction.OnTokens _ -> {}
      }
    }
  }

  private int vectorColumns(VectorOp op) {
    return switch (op) {
      case VectorOp.SiluLinear linear -> linear.rows() * model.channels();
      case VectorOp.Sinusoid _, VectorOp.Sum _ -> model.channels();
    };
  }

  /** A buffer of its own, closed with all others. */
  Matrix matrix(int rows, int columns, String tag) {
    return Matrix.dense(allocate((long) rows * columns, tag), rows, columns, DType.F32);
  }

  private DeviceBuffer allocate(long floats, String tag) {
    DeviceBuffer buffer = device.memory().allocate(floats * Float.BYTES, tag);
    owned.add(buffer);
    return buffer;
  }

  /** A value that is not per token. */
  Matrix small(Value value) {
    Matrix matrix = small.get(value);
    if (matrix == null) {
      throw new IllegalStateException("Expected a program that writes '" + value.name() + "'");
    }
    return matrix;
  }

  Matrix residual(int rows) {
    return Matrix.dense(residual, rows, model.channels(), DType.F32);
  }

  Matrix prediction(int rows) {
    return Matrix.dense(prediction, rows, predictionColumns(), DType.F32);
  }

  Matrix narrow(int rows, DType type) {
    return Matrix.dense(narrow, rows, model.channels(), type);
  }

  Matrix wide(int rows, int columns, DType type) {
    return Matrix.dense(wide, rows, columns, type);
  }

  /** Where a switch writes; {@link #swap} makes it the value. */
  Matrix spare(Value value, int rows) {
    return value.equals(Value.RESIDUAL)
        ? Matrix.dense(residualSpare, rows, model.channels(), DType.F32)
        : Matrix.dense(predictionSpare, rows, predictionColumns(), DType.F32);
  }

  void swap(Value value) {
    if (value.equals(Value.RESIDUAL)) {
      DeviceBuffer old = residual;
      residual = residualSpare;
      residualSpare = old;
    } else {
      DeviceBuffer old = prediction;
      prediction = predictionSpare;
      predictionSpare = old;
    }
  }

  /** The widest value that is ever switched. */
  int maxSwitchedColumns() {
    return Math.max(model.channels(), predictionColumns());
  }

  @Override
  public void close() {
    owned.forEach(DeviceBuffer::close);
    owned.clear();
  }
}
