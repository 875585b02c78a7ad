package dev.longtake.worker.engine.exec;

import dev.longtake.common.tensor.DType;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.DeviceBuffer;
import dev.longtake.worker.device.DeviceMemory;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.device.Term;
import dev.longtake.worker.engine.program.Instruction;
import dev.longtake.worker.engine.program.Instruction.Kept;
import dev.longtake.worker.engine.program.Program;
import dev.longtake.worker.engine.program.Split;
import dev.longtake.worker.engine.program.Value;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What one lane of a job keeps for later steps on one rank, allocated before the first step: of each operation that can be taken over
 * {@code tokens * columns} values in the type of the products, columns being C for attentions and the hidden layer's for MLPs; with a
 * first-block cache {@code 4 bytes * tokens * C} on every stage, and twice more on the first. Without a step cache nothing. Rows
 * are those of the split in which the tokens are kept, which is the one in which they are put back.
 */
final class StepCache implements AutoCloseable {
  private static final String TAG = "step cache";

  private final DeviceMemory memory;
  private final DType blockType;
  private final List<DeviceBuffer> owned = new ArrayList<>();
  private final Map<String, DeviceBuffer> inputs = new HashMap<>();
  private final @Nullable DeviceBuffer rest;
  private final @Nullable FirstBlockChange firstBlock;

  StepCache(DeviceMemory memory, Program program, JobRows job, DType blockType) {
    this.memory = memory;
    this.blockType = blockType;
    Split split = program.start();
    DeviceBuffer ofRest = null;
    FirstBlockChange change = null;
    try {
      for (Instruction instruction : program.step()) {
        TokenLayout layout = job.layout(split);
        long residual = (long) layout.rows() * program.model().channels() * Float.BYTES;
        switch (instruction) {
          case Instruction.SwitchSplit exchange when !exchange.value().equals(Value.PREDICTION) ->
              split = exchange.to();
          case Instruction.Keep(Kept.Input input) -> {
            long rows = layout.rows(input.stream()).size();
            inputs.put(input.name(), allocate(rows * input.columns() * blockType.sizeBytes()));
          }
          case Instruction.BeginFirstBlock _ ->
              change = new FirstBlockChange(allocate(residual), allocate(residual));
          case Instruction.BeginRest _ -> ofRest = allocate(residual);
          case Instruction.ReceiveTokens receive when receive.value().equals(Value.REST) ->
              ofRest = allocate(residual);
          default -> {}
        }
      }
    } catch (Throwable e) {
      close();
      throw e;
    }
    rest = ofRest;
    firstBlock = change;
  }

  private DeviceBuffer allocate(long bytes) {
    DeviceBuffer buffer = memory.allocate(bytes, TAG);
    owned.add(buffer);
    return buffer;
  }

  void keep(Device device, Kept.Input what, Matrix value) {
    device.copy(value, kept(what, value.rows()));
  }

  void putBack(Device device, Kept.Input what, Matrix value) {
    device.copy(kept(what, value.rows()), value);
  }

  private Matrix kept(Kept.Input what, int rows) {
    DeviceBuffer buffer = required(inputs.get(what.name()), what.name());
    return Matrix.dense(buffer, rows, what.columns(), blockType);
  }

  /** {@link Value#REST}, with the residual stream's rows. */
  Matrix rest(Matrix residual) {
    return Matrix.dense(
        required(rest, Value.REST.name()), residual.rows(), residual.columns(), DType.F32);
  }

  /** The blocks have run: what those behind the first one have added. */
  void keepRest(Device device, Matrix residual) {
    Matrix kept = rest(residual);
    device.combine(
        kept, List.of(new Term(residual, new float[] {1}), new Term(kept, new float[] {-1})));
  }

  /** What the blocks behind the first one added before. */
  void addRest(Device device, Matrix residual) {
    device.combine(
        residual,
        List.of(new Term(residual, new float[] {1}), new Term(rest(residual), new float[] {1})));
  }

  FirstBlockChange firstBlock() {
    return required(firstBlock, Value.FIRST_CHANGE.name());
  }

  private static <T> T required(@Nullable T value, String name) {
    if (value == null) {
      throw new IllegalStateException("Expected a program that keeps '" + name + "'");
    }
    return value;
  }

  @Override
  public void close() {
    owned.forEach(DeviceBuffer::close);
    owned.clear();
  }
}
