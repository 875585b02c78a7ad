package dev.longtake.worker.engine.exec;

import dev.longtake.common.partition.Range;
import dev.longtake.common.tensor.DType;
import dev.longtake.worker.device.Activation;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.device.PackedLinear;
import dev.longtake.worker.engine.Exchange;
import dev.longtake.worker.engine.model.FinalLayer;
import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.model.Position;
import dev.longtake.worker.engine.model.Stream;
import dev.longtake.worker.engine.program.Instruction;
import dev.longtake.worker.engine.program.Program;
import dev.longtake.worker.engine.program.Value;
import org.jspecify.annotations.Nullable;

/**
 * The executor: one rank's share of one job. It runs the program's condition part once and its step part for every denoising
 * step; there is no other executor, for one worker or for many. One thread at a time. Owns its buffers, not the weights, the
 * device or the exchange.
 */
public final class Network implements AutoCloseable {
  private final Device device;
  private final Program program;
  private final ModelDescription model;
  private final Weights weights;
  private final Geometry geometry;
  private final Condition condition;
  private final Taps taps;
  private final Buffers buffers;
  private final Vectors vectors;
  private final Modulators modulators;
  private final Embedding embedding;
  private final Positions positions;
  private final Attentions attentions;
  private final JointSequence sequence;
  private final SplitSwitch splitSwitch;
  private final KeyValueGather gather;
  private final TokenLayout home;

  private TokenLayout layout;
  private long exchangeNanos;

  /** Allocates everything the job needs, so that a job that does not fit fails before its first step. */
  public Network(
      Device device,
      Program program,
      Weights weights,
      Geometry geometry,
      Condition condition,
      Exchange exchange,
      Tap tap) {
    this.device = device;
    this.program = program;
    this.model = program.model();
    this.weights = weights;
    this.geometry = geometry;
    this.condition = condition;
    JobRows job = new JobRows(program, geometry, condition);
    sequence = job.sequence();
    home = job.home();
    layout = home;
    taps = new Taps(tap, sequence.packedText(geometry.rank()));
    buffers = new Buffers(device.memory(), program, job, condition);
    try {
      vectors = new Vectors(device, weights, buffers, condition, model, tap);
      modulators = new Modulators(device, model, buffers, vectors);
      embedding = new Embedding(device, model, weights, geometry, condition, buffers);
      positions = new Positions(device, model, weights, geometry, condition, buffers, home);
      attentions =
          new Attentions(
              device, model, weights, geometry, buffers, vectors, positions, sequence, taps);
      splitSwitch = new SplitSwitch(device, geometry, exchange, job.switchedColumns());
    } catch (Throwable e) {
      buffers.close();
      throw e;
    }
    try {
      gather = new KeyValueGather(device, geometry, sequence, exchange, job.gatheredColumns());
    } catch (Throwable e) {
      splitSwitch.close();
      buffers.close();
      throw e;
    }
  }

  /** Runs what depends on the condition alone. Call once, before the first step. */
  public void prepare() {
    vectors.uploadConditions();
    vectors.begin(new float[condition.count()]);
    for (Instruction instruction : program.condition()) {
      execute(instruction, /* step= */ null, "condition");
    }
  }

  /**
   * Evaluates the network once.
   *
   * @param place for errors: {@code "step 3"}
   * @return the prediction for this rank's latent frames: rows {@code [branch, frame, patch]}, columns {@code [patch volume *
   *     output channels]} in the model's order; valid until the next call
   */
  public Matrix step(StepInput input, String place) {
    vectors.begin(input.timesteps());
    vectors.select(input.generated());
    layout = home;
    for (Instruction instruction : program.step()) {
      execute(instruction, input, place);
    }
    return buffers.prediction(home.patchRows());
  }

  /** Time spent in exchanges so far, waiting for peers included. */
  public long exchangeNanos() {
    return exchangeNanos;
  }

  private void execute(Instruction instruction, @Nullable StepInput step, String place) {
    switch (instruction) {
      case Instruction.ProjectText text -> vectors.projectText(text);
      case Instruction.ProjectKeyValue keyValue -> vectors.projectKeyValue(keyValue);
      case Instruction.ComputeVector vector -> vectors.compute(vector.op());
      case Instruction.AddTable table -> vectors.addTable(table);
      case Instruction.SwitchSplit change -> switchSplit(change, place);
      case Instruction.GatherKeyValue all -> gather(all, place);
      case Instruction.OnTokens onTokens -> {
        if (layout.rows() > 0) {
          execute(onTokens, step);
        }
      }
    }
  }

  private void execute(Instruction.OnTokens instruction, @Nullable StepInput step) {
    switch (instruction) {
      case Instruction.EmbedPatches embed -> {
        embedding.patches(embed.layer(), required(step).latents(), residual(Stream.PATCHES));
        take("patch_embed", Stream.PATCHES);
      }
      case Instruction.EmbedReference embed -> {
        Matrix residual = residual(Stream.PATCHES);
        Matrix in = embedding.reference(embed.layer(), required(step).reference(), residual);
        if (taps.wants(embed.layer())) {
          takeProduct(embed.layer(), weights.linear(embed.layer()), Stream.PATCHES, in);
        }
      }
      case Instruction.EmbedText _ -> embedding.text(residual(Stream.ALL), layout);
      case Instruction.AddPosition add -> addPosition(add);
      case Instruction.Mark mark ->
          take(mark.name(), layout.text().isEmpty() ? Stream.PATCHES : Stream.ALL);
      case Instruction.Modulate modulate -> modulate(modulate);
      case Instruction.ReadWithPosition read -> readWithPosition(read);
      case Instruction.Project project -> project(project);
      case Instruction.ProjectHidden project -> projectHidden(project);
      case Instruction.NormRotate norm -> attentions.normRotate(norm, layout);
      case Instruction.ReduceKeyValue reduce -> attentions.reduce(reduce, layout);
      case Instruction.Attend attend -> attentions.attend(attend, layout);
      case Instruction.AttendText attend -> attentions.attendText(attend.keyValueLayer(), layout);
      case Instruction.AddProjection add -> addProjection(add);
      case Instruction.ProjectFinal last -> projectFinal(last.layer());
    }
  }

  private static StepInput required(@Nullable StepInput step) {
    if (step == null) {
      throw new IllegalStateException("Expected latents to vary from step to step");
    }
    return step;
  }

  private Matrix residual() {
    return buffers.residual(layout.rows());
  }

  private Matrix residual(Stream stream) {
    return rows(residual(), stream);
  }

  private Matrix rows(Matrix all, Stream stream) {
    Range range = layout.rows(stream);
    return all.rows(range.start(), range.end());
  }

  private void addPosition(Instruction.AddPosition add) {
    addPosition(add, residual());
    if (taps.wants("pos_emb") && !(add.position() instanceof Position.Frames)) {
      int rows = layout.rows();
      try (var scratch = device.memory().allocate(4L * rows * model.channels(), "taps")) {
        Matrix alone = Matrix.dense(scratch, rows, model.channels(), DType.F32);
        addPosition(add, alone);
        taps.take("pos_emb", add.stream(), rows(alone, add.stream()), layout);
      }
    }
  }

  private void addPosition(Instruction.AddPosition add, Matrix all) {
    if (add.stream().hasText() && add.position() instanceof Position.Sequence ofSequence) {
      positions.addText(ofSequence, all, layout);
    }
    positions.add(add.position(), rows(all, Stream.PATCHES), layout);
  }

  private void switchSplit(Instruction.SwitchSplit change, String place) {
    long start = System.nanoTime();
    TokenLayout target = geometry.layout(change.to());
    Matrix source =
        change.value().equals(Value.RESIDUAL) ? residual() : buffers.prediction(layout.rows());
    splitSwitch.run(
        source,
        change.from(),
        buffers.spare(change.value(), target.rows()),
        change.to(),
        place + ", " + change.place());
    buffers.swap(change.value());
    layout = target;
    exchangeNanos += System.nanoTime() - start;
  }

  private void gather(Instruction.GatherKeyValue instruction, String place) {
    long start = System.nanoTime();
    gather.run(
        attentions.ownKeyValue(layout),
        layout,
        buffers.keyValue(sequence.rows()),
        place + ", " + instruction.place());
    exchangeNanos += System.nanoTime() - start;
  }

  private void modulate(Instruction.Modulate instruction) {
    Matrix out = buffers.narrow(layout.rows(), weights.blockType());
    modulators.modulate(residual(), out, instruction.stream(), instruction.modulation(), layout);
    taps.take(instruction.name(), instruction.stream(), rows(out, instruction.stream()), layout);
  }

  private void readWithPosition(Instruction.ReadWithPosition instruction) {
    Matrix sum = buffers.wide(layout.rows(), model.channels(), DType.F32);
    device.copy(residual(), sum);
    positions.add(instruction.position(), rows(sum, Stream.PATCHES), layout);
    taps.take(instruction.name(), Stream.PATCHES, rows(sum, Stream.PATCHES), layout);
    device.activate(sum, buffers.narrow(layout.rows(), weights.blockType()), Activation.NONE);
  }

  private void project(Instruction.Project instruction) {
    PackedLinear layer = weights.linear(instruction.layer());
    Stream stream = instruction.stream();
    Matrix in = rows(input(instruction.input(), layer), stream);
    // Only the MLP's hidden layer is read by a product again; q, k and v stay exact.
    DType type = instruction.activation() == Activation.NONE ? DType.F32 : weights.blockType();
    Matrix out = rows(buffers.wide(layout.rows(), layer.outputColumns(), type), stream);
    device.linear(layer, in, out, instruction.activation());
    taps.take(instruction.layer(), stream, out, layout);
  }

  private void projectHidden(Instruction.ProjectHidden instruction) {
    PackedLinear layer = weights.linear(instruction.layer());
    Matrix hidden = buffers.hidden(layout.rows(), weights.blockType());
    int channels = model.channels();
    device.linear(
        layer,
        buffers.narrow(layout.rows(), layer.inputType()),
        hidden.columns(channels, channels + layer.outputColumns()),
        Activation.GELU_TANH);
  }

  /** The matrix a product reads, all rows, cast where the value has another type. */
  private Matrix input(Value value, PackedLinear layer) {
    int rows = layout.rows();
    if (value.equals(Value.NARROW)) {
      return buffers.narrow(rows, layer.inputType());
    }
    if (value.equals(Value.WIDE)) {
      return buffers.wide(rows, layer.inputColumns(), layer.inputType());
    }
    if (value.equals(Value.HIDDEN)) {
      return buffers.hidden(rows, layer.inputType()).columns(0, layer.inputColumns());
    }
    if (layer.inputType() == DType.F32) {
      return residual();
    }
    Matrix cast = buffers.narrow(rows, layer.inputType());
    device.activate(residual(), cast, Activation.NONE);
    return cast;
  }

  private void addProjection(Instruction.AddProjection instruction) {
    PackedLinear layer = weights.linear(instruction.layer());
    Stream stream = instruction.stream();
    Matrix in = input(instruction.input(), layer);
    taps.take(instruction.layer() + "_in", stream, rows(in, stream), layout);
    if (taps.wants(instruction.resultName())) {
      takeProduct(instruction.resultName(), layer, stream, rows(in, stream));
    }
    modulators.addProjection(layer, in, residual(), stream, instruction.gate(), layout);
    take(instruction.afterName(), stream);
  }

  /** The product never exists on its own in a run; for a tap it is computed once more. */
  private void takeProduct(String name, PackedLinear layer, Stream stream, Matrix in) {
    int columns = layer.outputColumns();
    try (var scratch = device.memory().allocate((long) in.rows() * columns * 4, "taps")) {
      Matrix product = Matrix.dense(scratch, in.rows(), columns, DType.F32);
      device.linear(layer, in, product, Activation.NONE);
      taps.take(name, stream, product, layout);
    }
  }

  private void projectFinal(FinalLayer layer) {
    take("final_in", Stream.PATCHES);
    Matrix normed = buffers.narrow(layout.rows(), DType.F32);
    modulators.modulateFinal(residual(), normed, layer, layout);
    Matrix prediction = buffers.prediction(layout.patchRows());
    device.linear(
        weights.linear(layer.layer()), rows(normed, Stream.PATCHES), prediction, Activation.NONE);
    taps.take("final_layer", Stream.PATCHES, prediction, layout);
  }

  private void take(String name, Stream stream) {
    taps.take(name, stream, residual(stream), layout);
  }

  /** This rank's latent frames. */
  public Range latentFrames() {
    return geometry.latentFrames();
  }

  @Override
  public void close() {
    gather.close();
    splitSwitch.close();
    buffers.close();
  }
}
