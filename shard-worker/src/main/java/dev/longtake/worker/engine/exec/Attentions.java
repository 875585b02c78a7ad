package dev.longtake.worker.engine.exec;

import dev.longtake.common.partition.Range;
import dev.longtake.common.tensor.DType;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.Kernels;
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

  void normRotate(Instruction.NormRotate instruction, Tokens tokens) {
    Kernels kernels = tokens.kernels();
    TokenLayout layout = tokens.layout();
    if (instruction.reduction() > 1) {
      Matrix keys = buffers.keyValue(reducedRows(layout, instruction.reduction()));
      normRotate(kernels, instruction, keys.columns(0, model.channels()), /* rotation= */ null);
      return;
    }
    Matrix part = part(tokens, instruction.part() == Part.Q ? 0 : 1);
    Range rows = layout.rows(instruction.stream());
    if (instruction.order() == Order.ROTATION_FIRST) {
      rotateThenNorm(instruction, part, rows, tokens);
      return;
    }
    takeNormOnly(instruction, part, tokens);
    if (!instruction.rotary() || instruction.stream() == Stream.TEXT) {
      normRotate(kernels, instruction, rows(part, rows), /* rotation= */ null);
    } else {
      // Text tokens have no place in the clip and are not turned.
      Matrix text = part.rows(rows.start(), layout.textRows());
      normRotate(kernels, instruction, text, /* rotation= */ null);
      Range patches = layout.rows(Stream.PATCHES);
      // With fewer frames than ranks, a rank may hold text only, and no position.
      if (!patches.isEmpty()) {
        normRotate(kernels, instruction, rows(part, patches), positions.rotation(layout));
      }
    }
    if (instruction.rotary()) {
      taps.take(instruction.rotatedName(), instruction.stream(), rows(part, rows), layout);
    }
  }

  /** As Open-Sora 1.1 has it; its text is no part of the sequence. */
  private void rotateThenNorm(
      Instruction.NormRotate instruction, Matrix part, Range rows, Tokens tokens) {
    Kernels kernels = tokens.kernels();
    TokenLayout layout = tokens.layout();
    Matrix x = rows(part, rows);
    if (instruction.rotary()) {
      kernels.normRotate(
          x, model.heads(), /* weight= */ null, model.qkNormEpsilon(), positions.rotation(layout));
      taps.take(instruction.rotatedName(), instruction.stream(), x, layout);
    }
    normRotate(kernels, instruction, x, /* rotation= */ null);
    taps.take(instruction.normName(), instruction.stream(), x, layout);
  }

  private void normRotate(
      Kernels kernels, Instruction.NormRotate instruction, Matrix x, @Nullable Rotation rotation) {
    Matrix weight = instruction.norm() ? weights.tensor(instruction.normName() + ".weight") : null;
    kernels.normRotate(x, model.heads(), weight, model.qkNormEpsilon(), rotation);
  }

  /** Where the norm comes first, norm and rotation are one kernel; for a tap the norm runs on a copy. */
  private void takeNormOnly(Instruction.NormRotate instruction, Matrix part, Tokens tokens) {
    TokenLayout layout = tokens.layout();
    if (!taps.wants(instruction.normName())) {
      return;
    }
    Matrix source = rows(part, layout.rows(instruction.stream()));
    try (var copy = device.memory().allocate((long) source.rows() * part.columns() * 4, "taps")) {
      Matrix normed = Matrix.dense(copy, source.rows(), part.columns(), DType.F32);
      tokens.kernels().copy(source, normed);
      normRotate(tokens.kernels(), instruction, normed, /* rotation= */ null);
      taps.take(instruction.normName(), instruction.stream(), normed, layout);
    }
  }

  /** q, k and v of the tokens, side by side. */
  Matrix qkv(Tokens tokens) {
    return tokens.wide(3 * model.channels(), DType.F32);
  }

  /** Columns of q, k or v in all rows. */
  private Matrix part(Tokens tokens, int index) {
    int channels = model.channels();
    return qkv(tokens).columns(index * channels, (index + 1) * channels);
  }

  /** Keys and values of the tokens, side by side. */
  Matrix ownKeyValue(Tokens tokens) {
    int channels = model.channels();
    return qkv(tokens).columns(channels, 3 * channels);
  }

  void reduce(Instruction.ReduceKeyValue instruction, Tokens tokens) {
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
    Matrix target = buffers.keyValue(reducedRows(tokens.layout(), instruction.factor()));
    Kernels kernels = tokens.kernels();
    kernels.reduceTokens(part(tokens, 1), target.columns(0, channels), reduction);
    kernels.reduceTokens(part(tokens, 2), target.columns(channels, 2 * channels), reduction);
  }

  private int reducedRows(TokenLayout layout, int factor) {
    return layout.branches().size() * layout.frames().size() * reducedTokens(geometry, factor);
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

  void attend(Instruction.Attend instruction, Tokens tokens) {
    int channels = model.channels();
    TokenLayout layout = tokens.layout();
    Matrix result = result(instruction.result(), tokens);
    Axis axis = instruction.axis();
    if (instruction.keys().equals(Value.WIDE)) {
      Sequences own = layout.sequences(axis);
      attention(tokens, ownKeyValue(tokens), result, own, own);
    } else if (instruction.reduction() > 1) {
      int frames = layout.branches().size() * layout.frames().size();
      int reducedTokens = reducedTokens(geometry, instruction.reduction());
      int[] first = new int[frames];
      int[] length = new int[frames];
      Arrays.setAll(first, frame -> frame * reducedTokens);
      Arrays.fill(length, reducedTokens);
      attention(
          tokens,
          buffers.keyValue(reducedRows(layout, instruction.reduction())),
          result,
          layout.sequences(axis),
          new Sequences(first, length, 1));
    } else {
      attention(
          tokens,
          buffers.keyValue(sequence.rows()),
          result,
          axis == Axis.FULL ? layout.branchSequences(instruction.stream()) : layout.sequences(axis),
          sequence.keys(axis, instruction.stream()));
    }
    taps.take(
        instruction.name() + "_result", instruction.stream(), result.columns(0, channels), layout);
  }

  private void attention(
      Tokens tokens, Matrix keyValue, Matrix result, Sequences queries, Sequences keys) {
    int channels = model.channels();
    tokens
        .kernels()
        .attention(
            part(tokens, 0),
            keyValue.columns(0, channels),
            keyValue.columns(channels, 2 * channels),
            result,
            model.heads(),
            queries,
            keys,
            scale());
  }

  /** C columns where the attention's result goes. */
  Matrix result(Value value, Tokens tokens) {
    DType type = weights.blockType();
    return value.equals(Value.NARROW)
        ? tokens.narrow(type)
        : tokens.hidden(type).columns(0, model.channels());
  }

  /** Branch by branch, since each text has memory of its own. */
  void attendText(String keyValueLayer, Tokens tokens) {
    int channels = model.channels();
    TokenLayout layout = tokens.layout();
    Matrix queries = tokens.wide(channels, DType.F32);
    Matrix result = tokens.narrow(weights.blockType());
    for (int i = 0; i < layout.branches().size(); i++) {
      Matrix keyValue = texts.get(layout.branches().start() + i, Value.keyValue(keyValueLayer));
      Range patches = layout.patchRows(i);
      tokens
          .kernels()
          .attention(
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
