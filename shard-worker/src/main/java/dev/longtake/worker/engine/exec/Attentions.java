package dev.longtake.worker.engine.exec;

import dev.longtake.common.partition.Range;
import dev.longtake.common.tensor.DType;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.device.Patching;
import dev.longtake.worker.device.Rotation;
import dev.longtake.worker.device.Sequences;
import dev.longtake.worker.device.TokenReduction;
import dev.longtake.worker.engine.model.Axis;
import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.model.Stream;
import dev.longtake.worker.engine.program.Instruction;
import dev.longtake.worker.engine.program.Instruction.NormRotate.Order;
import dev.longtake.worker.engine.program.Instruction.NormRotate.Part;
import dev.longtake.worker.engine.program.Value;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** The instructions between the projections of an attention: q, k and v to its result. */
final class Attentions {
  /** Of the norm after PixArt-Sigma's convolution. */
  private static final float REDUCTION_EPSILON = 1e-5f;

  private final Device device;
  private final ModelDescription model;
  private final Weights weights;
  private final Geometry geometry;
  private final Buffers buffers;
  private final LaneTexts texts;
  private final Positions positions;
  private final JointSequence sequence;
  private final int headCount;
  private final Taps taps;

  Attentions(
      Device device,
      ModelDescription model,
      Weights weights,
      Geometry geometry,
      Buffers buffers,
      LaneTexts texts,
      Positions positions,
      JointSequence sequence,
      Taps taps) {
    this.device = device;
    this.model = model;
    this.weights = weights;
    this.geometry = geometry;
    this.buffers = buffers;
    this.texts = texts;
    this.positions = positions;
    this.sequence = sequence;
    this.headCount = geometry.headRange(model.heads(), geometry.rank()).size();
    this.taps = taps;
  }

  void normRotate(Instruction.NormRotate instruction, TokenLayout layout) {
    if (instruction.reduction() > 1) {
      Matrix keys = buffers.keyValue(reducedRows(layout, instruction.reduction()));
      normRotate(instruction, keys.columns(0, model.channels()), /* rotation= */ null);
      return;
    }
    Matrix part = part(layout, instruction.part() == Part.Q ? 0 : 1);
    Range rows = layout.rows(instruction.stream());
    if (instruction.order() == Order.ROTATION_FIRST) {
      rotateThenNorm(instruction, part, rows, layout);
      return;
    }
    takeNormOnly(instruction, part, layout);
    if (!instruction.rotary() || instruction.stream() == Stream.TEXT) {
      normRotate(instruction, rows(part, rows), /* rotation= */ null);
    } else {
      // Text tokens have no place in the clip and are not turned.
      normRotate(instruction, part.rows(rows.start(), layout.textRows()), /* rotation= */ null);
      Range patches = layout.rows(Stream.PATCHES);
      // With fewer frames than ranks, a rank may hold text only, and no position.
      if (!patches.isEmpty()) {
        normRotate(instruction, rows(part, patches), positions.rotation(layout));
      }
    }
    if (instruction.rotary()) {
      taps.take(instruction.rotatedName(), instruction.stream(), rows(part, rows), layout);
    }
  }

  /** As Open-Sora 1.1 has it; its text is no part of the sequence. */
  private void rotateThenNorm(
      Instruction.NormRotate instruction, Matrix part, Range rows, TokenLayout layout) {
    Matrix x = rows(part, rows);
    if (instruction.rotary()) {
      device.normRotate(
          x, model.heads(), /* weight= */ null, model.qkNormEpsilon(), positions.rotation(layout));
      taps.take(instruction.rotatedName(), instruction.stream(), x, layout);
    }
    normRotate(instruction, x, /* rotation= */ null);
    taps.take(instruction.normName(), instruction.stream(), x, layout);
  }

  private void normRotate(
      Instruction.NormRotate instruction, Matrix x, @Nullable Rotation rotation) {
    Matrix weight = instruction.norm() ? weights.tensor(instruction.normName() + ".weight") : null;
    device.normRotate(x, model.heads(), weight, model.qkNormEpsilon(), rotation);
  }

  /** Where the norm comes first, norm and rotation are one kernel; for a tap the norm runs on a copy. */
  private void takeNormOnly(Instruction.NormRotate instruction, Matrix part, TokenLayout layout) {
    if (!taps.wants(instruction.normName())) {
      return;
    }
    Matrix source = rows(part, layout.rows(instruction.stream()));
    try (var copy = device.memory().allocate((long) source.rows() * part.columns() * 4, "taps")) {
      Matrix normed = Matrix.dense(copy, source.rows(), part.columns(), DType.F32);
      device.copy(source, normed);
      normRotate(instruction, normed, /* rotation= */ null);
      taps.take(instruction.normName(), instruction.stream(), normed, layout);
    }
  }

  /** q, k and v of this rank's tokens, side by side. */
  Matrix qkv(TokenLayout layout) {
    return buffers.wide(layout.rows(), 3 * model.channels(), DType.F32);
  }

  /** Columns of q, k or v in all rows. */
  private Matrix part(TokenLayout layout, int index) {
    int channels = model.channels();
    return buffers
        .wide(layout.rows(), 3 * channels, DType.F32)
        .columns(index * channels, (index + 1) * channels);
  }

  /** Keys and values of this rank's tokens, side by side. */
  Matrix ownKeyValue(TokenLayout layout) {
    int channels = model.channels();
    return buffers.wide(layout.rows(), 3 * channels, DType.F32).columns(channels, 3 * channels);
  }

  void reduce(Instruction.ReduceKeyValue instruction, TokenLayout layout) {
    Patching patching = geometry.patching();
    String name = instruction.name();
    Matrix kernel = weights.tensor(name + ".sr.weight");
    int cell = instruction.factor() * instruction.factor();
    var reduction =
        new TokenReduction(
            patching.gridRows(),
            patching.gridColumns(),
            instruction.factor(),
            Matrix.dense(kernel.buffer(), model.channels(), cell, DType.F32),
            weights.tensor(name + ".sr.bias"),
            weights.tensor(name + ".norm.weight"),
            weights.tensor(name + ".norm.bias"),
            REDUCTION_EPSILON);
    int channels = model.channels();
    Matrix target = buffers.keyValue(reducedRows(layout, instruction.factor()));
    device.reduceTokens(part(layout, 1), target.columns(0, channels), reduction);
    device.reduceTokens(part(layout, 2), target.columns(channels, 2 * channels), reduction);
  }

  private int reducedRows(TokenLayout layout, int factor) {
    return layout.branches() * layout.frames().size() * reducedTokens(geometry, factor);
  }

  /** Keys of a frame after the reduction. */
  static int reducedTokens(Geometry geometry, int factor) {
    Patching patching = geometry.patching();
    return patching.gridRows() / factor * (patching.gridColumns() / factor);
  }

  /** All tokens, for this rank's heads. */
  void attendHeads(Instruction.Attend instruction) {
    Matrix heads = buffers.heads(sequence.rows());
    Matrix result = buffers.headsResult(sequence.rows(), weights.blockType());
    int columns = result.columns();
    if (columns == 0) {
      return;
    }
    Sequences tokens = sequence.sequences(instruction.axis());
    device.attention(
        heads.columns(0, columns),
        heads.columns(columns, 2 * columns),
        heads.columns(2 * columns, 3 * columns),
        result,
        headCount,
        tokens,
        tokens,
        scale());
  }

  void attend(Instruction.Attend instruction, TokenLayout layout) {
    int channels = model.channels();
    Matrix result = result(instruction.result(), layout);
    Matrix own = ownKeyValue(layout);
    Axis axis = instruction.axis();
    if (instruction.keys().equals(Value.WIDE)) {
      Sequences tokens = layout.sequences(axis);
      attention(layout, own, result, tokens, tokens);
    } else if (instruction.reduction() > 1) {
      int frames = layout.branches() * layout.frames().size();
      int reducedTokens = reducedTokens(geometry, instruction.reduction());
      int[] first = new int[frames];
      int[] length = new int[frames];
      Arrays.setAll(first, frame -> frame * reducedTokens);
      Arrays.fill(length, reducedTokens);
      attention(
          layout,
          buffers.keyValue(reducedRows(layout, instruction.reduction())),
          result,
          layout.sequences(axis),
          new Sequences(first, length, 1));
    } else {
      attention(
          layout,
          buffers.keyValue(sequence.rows()),
          result,
          axis == Axis.FULL ? layout.branchSequences(instruction.stream()) : layout.sequences(axis),
          sequence.keys(axis, instruction.stream()));
    }
    taps.take(
        instruction.name() + "_result", instruction.stream(), result.columns(0, channels), layout);
  }

  private void attention(
      TokenLayout layout, Matrix keyValue, Matrix result, Sequences queries, Sequences keys) {
    int channels = model.channels();
    device.attention(
        part(layout, 0),
        keyValue.columns(0, channels),
        keyValue.columns(channels, 2 * channels),
        result,
        model.heads(),
        queries,
        keys,
        scale());
  }

  /** C columns where the attention's result goes. */
  Matrix result(Value value, TokenLayout layout) {
    if (value.equals(Value.NARROW)) {
      return buffers.narrow(layout.rows(), weights.blockType());
    }
    return buffers.hidden(layout.rows(), weights.blockType()).columns(0, model.channels());
  }

  /** Branch by branch, since each text has memory of its own. */
  void attendText(String keyValueLayer, TokenLayout layout) {
    int channels = model.channels();
    Matrix queries = buffers.wide(layout.rows(), channels, DType.F32);
    Matrix result = buffers.narrow(layout.rows(), weights.blockType());
    for (int branch = 0; branch < layout.branches(); branch++) {
      Matrix keyValue = texts.get(branch, Value.keyValue(keyValueLayer));
      Range patches = layout.patchRows(branch);
      device.attention(
          rows(queries, patches),
          keyValue.columns(0, channels),
          keyValue.columns(channels, 2 * channels),
          rows(result, patches),
          model.heads(),
          whole(patches.size()),
          whole(keyValue.rows()),
          scale());
    }
  }

  /** All rows as one sequence. */
  private static Sequences whole(int rows) {
    return new Sequences(new int[] {0}, new int[] {rows}, 1);
  }

  private float scale() {
    return (float) (1 / Math.sqrt(model.headDimension()));
  }

  private static Matrix rows(Matrix matrix, Range range) {
    return matrix.rows(range.start(), range.end());
  }
}
