package dev.longtake.worker.engine.exec;

import dev.longtake.common.tensor.DType;
import dev.longtake.worker.device.Activation;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.device.PackedLinear;
import dev.longtake.worker.device.RowVectors;
import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.model.PooledInput;
import dev.longtake.worker.engine.model.VectorOp;
import dev.longtake.worker.engine.program.Instruction;
import dev.longtake.worker.engine.program.Value;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The instructions that work on a row a branch and not on tokens: modulating vectors. Every rank computes them whole. Vector
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

  /** What the branches are conditioned on beside texts to the device: one pooled vector per row. */
  void uploadConditions() {
    PooledInput pooled = model.pooledText();
    if (pooled != null && buffers.has(Value.POOLED_TEXT)) {
      uploadPooled(pooled);
    }
  }

  private void uploadPooled(PooledInput input) {
    Matrix target = buffers.small(Value.POOLED_TEXT);
    for (int row = 0; row < target.rows(); row++) {
      Matrix one = target.rows(row, row + 1);
      float[] given = branch(row).pooledText();
      if (given != null) {
        Floats.upload(device, given, one);
      } else {
        NullTexts.upload(device, weights, input.nullText(), 1, one);
      }
    }
  }

  /** The branch of a vector row; those for t = 0 come behind all others. */
  private Branch branch(int vectorRow) {
    return condition.branches().get(vectorRow % condition.count());
  }

  void compute(VectorOp op) {
    Matrix out = buffers.small(Value.vector(op.output()));
    switch (op) {
      case VectorOp.Sinusoid sinusoid -> computeSinusoid(sinusoid, out);
      case VectorOp.Sum sum -> {
        device.copy(vector(sum.left()), out);
        device.addRows(out, vector(sum.right()), 1);
      }
      case VectorOp.Concat concat -> {
        int from = 0;
        for (String part : concat.parts()) {
          Matrix values = vector(part);
          device.copy(values, out.columns(from, from + values.columns()));
          from += values.columns();
        }
      }
      case VectorOp.WhereMasked choice -> {
        int branches = condition.count();
        device.copy(vector(choice.ordinary()).rows(0, branches), out.rows(0, branches));
        device.copy(
            vector(choice.masked()).rows(branches, out.rows()), out.rows(branches, out.rows()));
      }
      case VectorOp.SiluLinear linear -> {
        Matrix in = vector(linear.input());
        Matrix activated = scratch(in.columns());
        device.activate(in, activated, Activation.SILU);
        device.linear(weights.linear(linear.layer()), activated, out, Activation.NONE);
      }
      case VectorOp.ClassEmbedding labels -> {
        Matrix table = weights.tensor(labels.table());
        for (int row = 0; row < out.rows(); row++) {
          Integer label = branch(row).classLabel();
          int entry = label == null ? labels.classes() : label;
          device.copy(table.rows(entry, entry + 1), out.rows(row, row + 1));
        }
      }
      case VectorOp.PooledText text ->
          mlp(text.layers(), text.between(), buffers.small(Value.POOLED_TEXT), out);
    }
    takeVector(op.output(), out);
  }

  /** One layer, or two with an activation between them; always in float32. */
  private void mlp(List<String> layers, Activation between, Matrix in, Matrix out) {
    if (layers.size() == 1) {
      device.linear(weights.linear(layers.getFirst()), in, out, Activation.NONE);
      return;
    }
    PackedLinear first = weights.linear(layers.get(0));
    Matrix hidden =
        Matrix.dense(buffers.vectorHidden(), in.rows(), first.outputColumns(), DType.F32);
    device.linear(first, in, hidden, between);
    device.linear(weights.linear(layers.get(1)), hidden, out, Activation.NONE);
  }

  private Matrix scratch(int columns) {
    return Matrix.dense(buffers.vectorScratch(), condition.vectorRows(), columns, DType.F32);
  }

  private Matrix vector(String name) {
    return buffers.small(Value.vector(name));
  }

  private void computeSinusoid(VectorOp.Sinusoid op, Matrix out) {
    float[] scalars = new float[condition.vectorRows()];
    for (int row = 0; row < scalars.length; row++) {
      scalars[row] = op.factor() * scalar(op.scalar(), row);
    }
    Matrix table = scratch(SINUSOIDS);
    Floats.upload(device, Tables.sinusoids(scalars, SINUSOIDS, op.lastFrequencyReached()), table);
    mlp(List.of(op.first(), op.second()), Activation.SILU, table, out);
  }

  private float scalar(VectorOp.Scalar scalar, int row) {
    Branch.Scalars scalars = branch(row).scalars();
    return switch (scalar) {
      case TIMESTEP -> timesteps[row];
      case FRAME_RATE -> scalars.frameRate();
      case HEIGHT -> scalars.height();
      case WIDTH -> scalars.width();
      case ASPECT_RATIO -> scalars.aspectRatio();
      case FRAME_COUNT -> scalars.frames();
      case GUIDANCE -> scalars.guidance();
    };
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
    int[] groups = new int[layout.branches().size() * frames];
    for (int g = 0; g < groups.length; g++) {
      int branch = layout.branches().start() + g / frames;
      groups[g] = vectorOfFrame.row(branch, layout.frames().start() + g % frames);
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
