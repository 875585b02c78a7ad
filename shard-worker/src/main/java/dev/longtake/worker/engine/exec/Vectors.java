package dev.longtake.worker.engine.exec;

import dev.longtake.common.tensor.DType;
import dev.longtake.worker.device.Activation;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.DeviceBuffer;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.device.PackedLinear;
import dev.longtake.worker.device.RowVectors;
import dev.longtake.worker.device.Sequences;
import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.model.VectorOp;
import dev.longtake.worker.engine.program.Instruction;
import dev.longtake.worker.engine.program.Value;
import java.util.Arrays;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The instructions that work on a few rows and not on tokens: text and modulating vectors. Every rank computes them whole. Vector
 * row b belongs to branch b at its timestep; where frames may be masked, row {@code branches + b} is branch b at t = 0.
 */
final class Vectors {
  private static final int SINUSOIDS = VectorOp.Sinusoid.TABLE_COLUMNS;

  private final Device device;
  private final Weights weights;
  private final Buffers buffers;
  private final Condition condition;
  private final ModelDescription model;
  private final Tap tap;
  private float[] timesteps = new float[0];
  private boolean @Nullable [][] generated;

  Vectors(
      Device device,
      Weights weights,
      Buffers buffers,
      Condition condition,
      ModelDescription model,
      Tap tap) {
    this.device = device;
    this.weights = weights;
    this.buffers = buffers;
    this.condition = condition;
    this.model = model;
    this.tap = tap;
  }

  /** Sets the branches' timesteps. */
  void begin(float[] branchTimesteps) {
    timesteps = Arrays.copyOf(branchTimesteps, condition.vectorRows());
  }

  /** Sets which frames see their branch's timestep; null for all. */
  void select(boolean @Nullable [][] generatedFrames) {
    generated = generatedFrames;
  }

  /** Packs the branches' texts behind each other. */
  void uploadText() {
    Matrix target = buffers.small(Value.ENCODED_TEXT);
    int at = 0;
    for (Branch branch : condition.branches()) {
      TextRow text = branch.text();
      Matrix rows = target.rows(at, at + text.tokens());
      switch (text) {
        case TextRow.Encoded(float[] values, int _) -> Floats.upload(device, values, rows);
        case TextRow.Null(int tokens) ->
            device.copy(weights.tensor(model.text().nullCaption()).rows(0, tokens), rows);
        case TextRow.None _ -> {}
      }
      at += text.tokens();
    }
  }

  void projectText(Instruction.ProjectText instruction) {
    Matrix encoded = buffers.small(Value.ENCODED_TEXT);
    Matrix text = buffers.small(Value.TEXT);
    PackedLinear first = weights.linear(instruction.layer() + ".fc1");
    try (DeviceBuffer scratch =
        device.memory().allocate(4L * text.rows() * first.outputColumns(), "condition")) {
      Matrix hidden = Matrix.dense(scratch, text.rows(), first.outputColumns(), DType.F32);
      device.linear(first, encoded, hidden, Activation.GELU_TANH);
      device.linear(weights.linear(instruction.layer() + ".fc2"), hidden, text, Activation.NONE);
    }
    take("y_packed", text);
  }

  void projectKeyValue(Instruction.ProjectKeyValue instruction) {
    PackedLinear layer = weights.linear(instruction.layer());
    Matrix text = buffers.small(Value.TEXT);
    Matrix out = buffers.small(Value.keyValue(instruction.layer()));
    if (layer.inputType() == DType.F32) {
      device.linear(layer, text, out, Activation.NONE);
      return;
    }
    long bytes = (long) layer.inputType().sizeBytes() * text.rows() * text.columns();
    try (DeviceBuffer scratch = device.memory().allocate(bytes, "condition")) {
      Matrix cast = Matrix.dense(scratch, text.rows(), text.columns(), layer.inputType());
      device.activate(text, cast, Activation.NONE);
      device.linear(layer, cast, out, Activation.NONE);
    }
  }

  /** Keys of each branch within the packed text. */
  Sequences textSequences() {
    int[] first = new int[condition.count()];
    int[] length = new int[condition.count()];
    int at = 0;
    for (int branch = 0; branch < first.length; branch++) {
      first[branch] = at;
      length[branch] = condition.branches().get(branch).text().tokens();
      at += length[branch];
    }
    return new Sequences(first, length, 1);
  }

  void compute(VectorOp op) {
    Matrix out = buffers.small(Value.vector(op.output()));
    switch (op) {
      case VectorOp.Sinusoid sinusoid -> computeSinusoid(sinusoid, out);
      case VectorOp.Sum sum -> {
        device.copy(buffers.small(Value.vector(sum.left())), out);
        device.addRows(out, buffers.small(Value.vector(sum.right())), 1);
      }
      case VectorOp.SiluLinear linear -> {
        Matrix in = buffers.small(Value.vector(linear.input()));
        try (DeviceBuffer scratch =
            device.memory().allocate(4L * in.rows() * in.columns(), "vectors")) {
          Matrix activated = Matrix.dense(scratch, in.rows(), in.columns(), DType.F32);
          device.activate(in, activated, Activation.SILU);
          device.linear(weights.linear(linear.layer()), activated, out, Activation.NONE);
        }
      }
    }
    takeVector(op.output(), out);
  }

  private void computeSinusoid(VectorOp.Sinusoid op, Matrix out) {
    float[] scalars =
        switch (op.scalar()) {
          case TIMESTEP -> timesteps;
          case FRAME_RATE -> frameRates();
        };
    long floats = (long) scalars.length * (SINUSOIDS + model.channels());
    try (DeviceBuffer scratch = device.memory().allocate(4 * floats, "vectors")) {
      Matrix table = Matrix.dense(scratch, scalars.length, SINUSOIDS, DType.F32);
      Matrix hidden =
          new Matrix(
              scratch,
              (long) scalars.length * SINUSOIDS,
              scalars.length,
              model.channels(),
              model.channels(),
              DType.F32);
      Floats.upload(device, Tables.sinusoids(scalars, SINUSOIDS), table);
      device.linear(weights.linear(op.mlp() + ".0"), table, hidden, Activation.SILU);
      device.linear(weights.linear(op.mlp() + ".2"), hidden, out, Activation.NONE);
    }
  }

  /** A branch's frame rate also goes with its vectors for t = 0. */
  private float[] frameRates() {
    float[] rates = new float[condition.vectorRows()];
    for (int row = 0; row < rates.length; row++) {
      rates[row] = condition.branches().get(row % condition.count()).scalars().frameRate();
    }
    return rates;
  }

  /** A vector as wide as one row of the table is added to each row of it. */
  void addTable(Instruction.AddTable instruction) {
    Matrix table = weights.tensor(instruction.table());
    Matrix vector = buffers.small(Value.vector(instruction.vector()));
    Matrix out = buffers.small(Value.modulation(instruction.table()));
    for (int from = 0; from < out.columns(); from += vector.columns()) {
      device.copy(vector, out.columns(from, from + vector.columns()));
    }
    device.addRows(
        out, new Matrix(table.buffer(), 0, 1, out.columns(), out.columns(), DType.F32), 1);
  }

  /** The vector row of each group: a frame of a branch. */
  int[] groups(TokenLayout layout) {
    return groups(
        layout,
        (branch, frame) -> isGenerated(branch, frame) ? branch : condition.count() + branch);
  }

  /** As if no frame were masked. */
  int[] ordinaryGroups(TokenLayout layout) {
    return groups(layout, (branch, _) -> branch);
  }

  /** Only the masked frames; empty when there are none in this step. */
  Optional<int[]> maskedGroups(TokenLayout layout) {
    if (generated == null) {
      return Optional.empty();
    }
    return Optional.of(
        groups(
            layout,
            (branch, frame) ->
                isGenerated(branch, frame) ? RowVectors.NONE : condition.count() + branch));
  }

  private boolean isGenerated(int branch, int frame) {
    return generated == null || generated[branch][frame];
  }

  private interface VectorOfFrame {
    int row(int branch, int frame);
  }

  private int[] groups(TokenLayout layout, VectorOfFrame vectorOfFrame) {
    int frames = layout.frames().size();
    int[] groups = new int[condition.count() * frames];
    for (int g = 0; g < groups.length; g++) {
      groups[g] = vectorOfFrame.row(g / frames, layout.frames().start() + g % frames);
    }
    return groups;
  }

  private void take(String name, Matrix value) {
    if (tap.wants(name)) {
      tap.take(name, value, null);
    }
  }

  /** The rows of t = 0 have names of their own: {@code t0_mlp} beside {@code t_mlp}. */
  private void takeVector(String name, Matrix value) {
    int branches = condition.count();
    take(name, value.rows(0, branches));
    if (condition.frameMasks() && name.startsWith("t_")) {
      take("t0_" + name.substring(2), value.rows(branches, 2 * branches));
    }
  }
}
