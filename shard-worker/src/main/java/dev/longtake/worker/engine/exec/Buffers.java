package dev.longtake.worker.engine.exec;

import dev.longtake.common.tensor.DType;
import dev.longtake.worker.device.DeviceBuffer;
import dev.longtake.worker.device.DeviceMemory;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.model.VectorOp;
import dev.longtake.worker.engine.program.Instruction;
import dev.longtake.worker.engine.program.Program;
import dev.longtake.worker.engine.program.Value;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * All device memory of one lane of a job on one rank besides weights and prepared texts, allocated before the first step. Token buffers are sized
 * for the larger of the splits: for all tokens {@code 4 bytes * tokens * C} (twice where they are split another way) and the prediction
 * (twice likewise); what lives between two instructions, {@code 4 bytes * (C + max(3C, MLP width))} a token, for the largest piece once a
 * strand of the device, and for all tokens only where the program has instructions that take all at once, which in turn may need {@code 2C}
 * more for each gathered key of the clip, or with an exchange of heads 4 times the rank's share of C. So at most linear in tokens.
 */
final class Buffers implements AutoCloseable {
  private final DeviceMemory memory;
  private final List<DeviceBuffer> owned = new ArrayList<>();
  private final Map<Value, Matrix> small = new HashMap<>();
  private DeviceBuffer narrow;
  private DeviceBuffer narrowSpare;
  private final DeviceBuffer wide;
  private final List<PieceMemory> pieces = new ArrayList<>();
  private final @Nullable DeviceBuffer hidden;
  private final @Nullable DeviceBuffer keyValue;
  private final @Nullable DeviceBuffer heads;
  private final @Nullable DeviceBuffer headsResult;
  private final DeviceBuffer vectorScratch;
  private final DeviceBuffer vectorHidden;
  private DeviceBuffer residual;
  private DeviceBuffer residualSpare;
  private DeviceBuffer prediction;
  private DeviceBuffer predictionSpare;
  private final ModelDescription model;
  private final Program program;
  private final int hiddenColumns;
  private final int headColumns;

  /**
   * What one strand has for its pieces.
   *
   * @param residual [rows of the largest piece, C], for patches that are copied out of their frames
   * @param prediction the same for the prediction
   */
  record PieceMemory(DeviceBuffer residual, DeviceBuffer prediction, Tokens.Memory values) {}

  Buffers(
      DeviceMemory memory,
      Program program,
      JobRows job,
      List<Passage> passages,
      Condition condition) {
    this.memory = memory;
    this.program = program;
    this.model = program.model();
    long channels = model.channels();
    int maxRows = job.maxRows();
    TokenNeeds needs = TokenNeeds.of(program, passages);
    int keyRows = job.keyRows();
    boolean switchesTokens = job.switches(Value.RESIDUAL);
    boolean switchesPrediction = job.switches(Value.PREDICTION);
    boolean keys = program.step().stream().anyMatch(i -> i.writes().equals(Value.KEY_VALUE));
    try {
      narrow = allocate(needs.narrow() ? maxRows * channels : 0, "activations");
      narrowSpare =
          job.switches(Value.NARROW) ? allocate(maxRows * channels, "activations") : narrow;
      wide = allocate((long) maxRows * needs.wideColumns(), "activations");
      for (int strand = 0; strand < needs.strands(); strand++) {
        pieces.add(pieceMemory(needs, strand == 0 ? needs.pieceRows() : needs.strandRows()));
      }
      hiddenColumns = hiddenColumns();
      hidden = hiddenColumns == 0 ? null : allocate((long) maxRows * hiddenColumns, "activations");
      keyValue = keys ? allocate(2L * keyRows * channels, "activations") : null;
      headColumns = job.headColumns();
      boolean exchangesHeads = job.exchangesHeads();
      long headValues = (long) job.sequence().rows() * headColumns;
      heads = exchangesHeads ? allocate(3 * headValues, "activations") : null;
      headsResult = exchangesHeads ? allocate(headValues, "activations") : null;
      residual = allocate(maxRows * channels, "activations");
      residualSpare = switchesTokens ? allocate(maxRows * channels, "activations") : residual;
      long predicted = program.predicts() ? (long) maxRows * predictionColumns() : 0;
      prediction = allocate(predicted, "activations");
      predictionSpare = switchesPrediction ? allocate(predicted, "activations") : prediction;
      allocateSmall(condition);
      long vectorValues = (long) condition.vectorRows() * vectorColumns();
      vectorScratch = allocate(vectorValues, "vectors");
      vectorHidden = allocate(vectorValues, "vectors");
    } catch (Throwable e) {
      close();
      throw e;
    }
  }

  private PieceMemory pieceMemory(TokenNeeds needs, long rows) {
    long copied = needs.copiesPieces() ? rows : 0;
    int predicted = program.predicts() ? predictionColumns() : 0;
    return new PieceMemory(
        allocate(copied * model.channels(), "activations"),
        allocate(copied * predicted, "activations"),
        new Tokens.Memory(
            allocate(rows * model.channels(), "activations"),
            allocate(rows * needs.pieceWideColumns(), "activations"),
            /* hidden= */ null,
            /* hiddenColumns= */ 0));
  }

  /** Columns of {@link Value#HIDDEN}; 0 where the program has none. */
  private int hiddenColumns() {
    int widest = 0;
    for (Instruction instruction : program.step()) {
      if (instruction instanceof Instruction.ProjectHidden project) {
        widest =
            Math.max(widest, model.channels() + program.linear(project.layer()).outputColumns());
      }
    }
    return widest;
  }

  private int predictionColumns() {
    return model.outputChannels() * model.patches().size().volume();
  }

  private void allocateSmall(Condition condition) {
    List<Instruction> all = new ArrayList<>(program.condition());
    all.addAll(program.step());
    int rows = condition.vectorRows();
    var pooled = model.pooledText();
    if (pooled != null && all.stream().anyMatch(Buffers::readsPooledText)) {
      small.put(Value.POOLED_TEXT, matrix(rows, pooled.channels(), "condition"));
    }
    for (Instruction instruction : all) {
      Value value = instruction.writes();
      switch (instruction) {
        case Instruction.ComputeVector vector ->
            small.put(
                value, matrix(rows, VectorWidths.columns(model, vector.op().output()), "vectors"));
        case Instruction.AddTable table ->
            small.put(value, matrix(rows, table.rows() * model.channels(), "vectors"));
        case Instruction.SwitchSplit _,
            Instruction.GatherKeyValue _,
            Instruction.ScatterHeads _,
            Instruction.CollectHeads _,
            Instruction.Attend _,
            Instruction.ReceiveTokens _,
            Instruction.SendTokens _,
            Instruction.Reuse _,
            Instruction.Keep _,
            Instruction.OnTokens _ -> {}
        case Instruction.ProjectText _, Instruction.ProjectKeyValue _ ->
            throw new IllegalStateException(
                "Expected texts to be prepared, but got " + instruction);
      }
    }
  }

  /** Of the widest thing that is there while a vector is computed. */
  private int vectorColumns() {
    int widest = 0;
    for (VectorOp op : model.vectors()) {
      int columns =
          switch (op) {
            case VectorOp.Sinusoid sinusoid ->
                Math.max(VectorOp.Sinusoid.TABLE_COLUMNS, sinusoid.columns());
            case VectorOp.SiluLinear linear -> VectorWidths.columns(model, linear.input());
            case VectorOp.PooledText _ -> model.channels();
            case VectorOp.Sum _,
                VectorOp.Concat _,
                VectorOp.WhereMasked _,
                VectorOp.ClassEmbedding _ ->
                0;
          };
      widest = Math.max(widest, columns);
    }
    return widest;
  }

  private static boolean readsPooledText(Instruction instruction) {
    return instruction.reads().contains(Value.POOLED_TEXT);
  }

  /** Whether the program reads a value that is not per token. */
  boolean has(Value value) {
    return small.containsKey(value);
  }

  /** A buffer of its own, closed with all others. */
  Matrix matrix(int rows, int columns, String tag) {
    return Matrix.dense(allocate((long) rows * columns, tag), rows, columns, DType.F32);
  }

  private DeviceBuffer allocate(long floats, String tag) {
    DeviceBuffer buffer = memory.allocate(floats * Float.BYTES, tag);
    owned.add(buffer);
    return buffer;
  }

  /** What a vector is computed from. */
  DeviceBuffer vectorScratch() {
    return vectorScratch;
  }

  /** Between the two layers that make a vector. */
  DeviceBuffer vectorHidden() {
    return vectorHidden;
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

  /** What is between two instructions that take all tokens at once. */
  Tokens.Memory values() {
    return new Tokens.Memory(narrow, wide, hidden, hiddenColumns);
  }

  /** What a strand of the device has for its pieces. */
  PieceMemory piece(int strand) {
    return pieces.get(strand);
  }

  Matrix keyValue(int rows) {
    return Matrix.dense(required(keyValue, Value.KEY_VALUE), rows, 2 * model.channels(), DType.F32);
  }

  /** Queries, keys and values of this rank's heads, side by side. */
  Matrix heads(int rows) {
    return Matrix.dense(required(heads, Value.HEADS), rows, 3 * headColumns, DType.F32);
  }

  Matrix headsResult(int rows, DType type) {
    return Matrix.dense(required(headsResult, Value.HEADS_RESULT), rows, headColumns, type);
  }

  private static DeviceBuffer required(@Nullable DeviceBuffer buffer, Value value) {
    if (buffer == null) {
      throw new IllegalStateException("Expected a program that writes '" + value.name() + "'");
    }
    return buffer;
  }

  /** Where a switch of the residual stream writes; {@link #swap} makes it the value. */
  Matrix residualSpare(int rows) {
    return Matrix.dense(residualSpare, rows, model.channels(), DType.F32);
  }

  /** Where a switch of the prediction writes. */
  Matrix predictionSpare(int rows) {
    return Matrix.dense(predictionSpare, rows, predictionColumns(), DType.F32);
  }

  /** Where a switch of what a product reads writes. */
  Matrix narrowSpare(int rows, DType type) {
    return Matrix.dense(narrowSpare, rows, model.channels(), type);
  }

  void swap(Value value) {
    if (value.equals(Value.RESIDUAL)) {
      DeviceBuffer old = residual;
      residual = residualSpare;
      residualSpare = old;
    } else if (value.equals(Value.NARROW)) {
      DeviceBuffer old = narrow;
      narrow = narrowSpare;
      narrowSpare = old;
    } else {
      DeviceBuffer old = prediction;
      prediction = predictionSpare;
      predictionSpare = old;
    }
  }

  @Override
  public void close() {
    owned.forEach(DeviceBuffer::close);
    owned.clear();
  }
}
