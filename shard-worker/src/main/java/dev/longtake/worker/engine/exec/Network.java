package dev.longtake.worker.engine.exec;

import dev.longtake.common.partition.Range;
import dev.longtake.common.tensor.DType;
import dev.longtake.worker.device.Activation;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.device.PackedLinear;
import dev.longtake.worker.device.Patching;
import dev.longtake.worker.device.Rotation;
import dev.longtake.worker.device.RowVectors;
import dev.longtake.worker.device.Sequences;
import dev.longtake.worker.engine.Exchange;
import dev.longtake.worker.engine.model.Axis;
import dev.longtake.worker.engine.model.FinalLayer;
import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.model.Modulation;
import dev.longtake.worker.engine.program.Instruction;
import dev.longtake.worker.engine.program.Program;
import dev.longtake.worker.engine.program.Split;
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
  private final Tap tap;
  private final Buffers buffers;
  private final Vectors vectors;
  private final SplitSwitch splitSwitch;
  private final Positions positions;
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
    this.tap = tap;
    this.home = geometry.layout(Split.FRAME);
    this.layout = home;
    buffers = new Buffers(device, program, geometry, condition);
    try {
      vectors = new Vectors(device, weights, buffers, condition, model, tap);
      positions = new Positions(device, program, weights, geometry, buffers);
      splitSwitch = new SplitSwitch(device, geometry, exchange, buffers.maxSwitchedColumns());
    } catch (Throwable e) {
      buffers.close();
      throw e;
    }
  }

  /** Runs what depends on the condition alone. Call once, before the first step. */
  public void prepare() {
    vectors.uploadText();
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
   *     output channels]}; valid until the next call
   */
  public Matrix step(StepInput input, String place) {
    vectors.begin(input.timesteps());
    vectors.select(input.generated());
    layout = home;
    for (Instruction instruction : program.step()) {
      execute(instruction, input, place);
    }
    return buffers.prediction(home.rows());
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
        if (step == null) {
          throw new IllegalStateException("Expected latents to vary from step to step");
        }
        embedPatches(embed.layer(), step.latents());
      }
      case Instruction.Modulate modulate -> modulate(modulate);
      case Instruction.Project project -> project(project);
      case Instruction.NormRotate norm -> normRotate(norm);
      case Instruction.Attend attend -> attend(attend.axis());
      case Instruction.AttendText attend -> attendText(attend.keyValueLayer());
      case Instruction.AddProjection add -> addProjection(add);
      case Instruction.ProjectFinal last -> projectFinal(last.layer());
    }
  }

  private Matrix residual() {
    return buffers.residual(layout.rows());
  }

  private void embedPatches(String layer, Matrix latents) {
    Patching local = geometry.localPatching();
    int tokens = home.frames().size() * home.patches().size();
    int channels = model.latentChannels();
    Matrix patches =
        buffers.wide(
            home.rows(), channels * local.patchVolume(), weights.linear(layer).inputType());
    int latentRows = channels * local.frames();
    for (int branch = 0; branch < condition.count(); branch++) {
      int sample = condition.branches().get(branch).sample();
      device.patchify(
          latents.rows(sample * latentRows, (sample + 1) * latentRows),
          patches.rows(branch * tokens, (branch + 1) * tokens),
          channels,
          local);
    }
    device.linear(weights.linear(layer), patches, residual(), Activation.NONE);
    take("patch_embed", residual());
    takeWhole("pos_emb", positions.table());
    device.addRows(residual(), positions.table(), 1);
    take("x_embed", residual());
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

  private void modulate(Instruction.Modulate instruction) {
    Matrix out = buffers.narrow(layout.rows(), weights.blockType());
    modulate(residual(), out, instruction.modulation(), vectors.groups(layout));
    take(instruction.name(), out);
  }

  private void modulate(Matrix in, Matrix out, Modulation modulation, int[] groups) {
    device.modulate(
        in,
        out,
        rowVectors(modulation, modulation.shift(), groups),
        rowVectors(modulation, modulation.scale(), groups),
        model.normEpsilon());
  }

  private RowVectors rowVectors(Modulation modulation, int row, int[] groups) {
    int channels = model.channels();
    Matrix table = buffers.small(Value.modulation(modulation.table()));
    return new RowVectors(
        table.columns(row * channels, (row + 1) * channels), groups, layout.patches().size());
  }

  private void project(Instruction.Project instruction) {
    PackedLinear layer = weights.linear(instruction.layer());
    Matrix in = input(instruction.input(), layer);
    // Only the MLP's hidden layer is read by a product again; q, k and v stay exact.
    DType type = instruction.activation() == Activation.NONE ? DType.F32 : weights.blockType();
    Matrix out = buffers.wide(layout.rows(), layer.outputColumns(), type);
    device.linear(layer, in, out, instruction.activation());
  }

  /** The matrix a product reads, cast where the value has another type. */
  private Matrix input(Value value, PackedLinear layer) {
    int rows = layout.rows();
    if (value.equals(Value.NARROW)) {
      return buffers.narrow(rows, layer.inputType());
    }
    if (value.equals(Value.WIDE)) {
      return buffers.wide(rows, layer.inputColumns(), layer.inputType());
    }
    if (layer.inputType() == DType.F32) {
      return residual();
    }
    Matrix cast = buffers.narrow(rows, layer.inputType());
    device.activate(residual(), cast, Activation.NONE);
    return cast;
  }

  private void normRotate(Instruction.NormRotate instruction) {
    int channels = model.channels();
    Matrix qkv = buffers.wide(layout.rows(), 3 * channels, DType.F32);
    Rotation rotation = instruction.rotary() ? positions.rotation(layout) : null;
    String[] parts = {"q", "k"};
    for (int i = 0; i < parts.length; i++) {
      Matrix part = qkv.columns(i * channels, (i + 1) * channels);
      Matrix weight =
          instruction.norm()
              ? weights.tensor(instruction.name() + "." + parts[i] + "_norm.weight")
              : null;
      String normName = instruction.name() + "." + parts[i] + "_norm";
      if (tap.wants(normName)) {
        takeNormOnly(normName, part, weight);
      }
      device.normRotate(part, model.heads(), weight, model.qkNormEpsilon(), rotation);
      if (rotation != null) {
        take(instruction.name() + "." + parts[i] + "_rope", part);
      }
    }
  }

  /** The norm and the rotation are one kernel; for a tap the norm runs on a copy. */
  private void takeNormOnly(String name, Matrix part, @Nullable Matrix weight) {
    try (var copy = device.memory().allocate((long) part.rows() * part.columns() * 4, "taps")) {
      Matrix normed = Matrix.dense(copy, part.rows(), part.columns(), DType.F32);
      device.copy(part, normed);
      device.normRotate(normed, model.heads(), weight, model.qkNormEpsilon(), null);
      take(name, normed);
    }
  }

  private void attend(Axis axis) {
    int channels = model.channels();
    Matrix qkv = buffers.wide(layout.rows(), 3 * channels, DType.F32);
    Sequences sequences = layout.sequences(axis);
    device.attention(
        qkv.columns(0, channels),
        qkv.columns(channels, 2 * channels),
        qkv.columns(2 * channels, 3 * channels),
        buffers.narrow(layout.rows(), weights.blockType()),
        model.heads(),
        sequences,
        sequences,
        attentionScale());
  }

  private void attendText(String keyValueLayer) {
    int channels = model.channels();
    Matrix keyValue = buffers.small(Value.keyValue(keyValueLayer));
    device.attention(
        buffers.wide(layout.rows(), channels, DType.F32),
        keyValue.columns(0, channels),
        keyValue.columns(channels, 2 * channels),
        buffers.narrow(layout.rows(), weights.blockType()),
        model.heads(),
        layout.branchSequences(),
        vectors.textSequences(),
        attentionScale());
  }

  private float attentionScale() {
    return (float) (1 / Math.sqrt(model.headDimension()));
  }

  private void addProjection(Instruction.AddProjection instruction) {
    PackedLinear layer = weights.linear(instruction.layer());
    Matrix in = input(instruction.input(), layer);
    if (tap.wants(instruction.resultName())) {
      takeProduct(instruction.resultName(), layer, in);
    }
    Modulation gate = instruction.gate();
    RowVectors gates = gate == null ? null : rowVectors(gate, gate.gate(), vectors.groups(layout));
    device.linearResidual(layer, in, residual(), gates);
    take(instruction.afterName(), residual());
  }

  /** The product never exists on its own in a run; for a tap it is computed once more. */
  private void takeProduct(String name, PackedLinear layer, Matrix in) {
    int columns = layer.outputColumns();
    try (var scratch = device.memory().allocate((long) in.rows() * columns * 4, "taps")) {
      Matrix product = Matrix.dense(scratch, in.rows(), columns, DType.F32);
      device.linear(layer, in, product, Activation.NONE);
      take(name, product);
    }
  }

  private void projectFinal(FinalLayer layer) {
    Matrix normed = buffers.narrow(layout.rows(), DType.F32);
    if (layer.maskedFramesTwice()) {
      modulate(residual(), normed, layer.modulation(), vectors.ordinaryGroups(layout));
      vectors
          .maskedGroups(layout)
          .ifPresent(groups -> modulate(normed, normed, layer.modulation(), groups));
    } else {
      modulate(residual(), normed, layer.modulation(), vectors.groups(layout));
    }
    Matrix prediction = buffers.prediction(layout.rows());
    device.linear(weights.linear(layer.layer()), normed, prediction, Activation.NONE);
    take("final_layer", prediction);
  }

  private void take(String name, Matrix value) {
    if (tap.wants(name)) {
      tap.take(name, value, layout);
    }
  }

  private void takeWhole(String name, Matrix value) {
    if (tap.wants(name)) {
      tap.take(name, value, null);
    }
  }

  /** This rank's latent frames. */
  public Range latentFrames() {
    return geometry.latentFrames();
  }

  @Override
  public void close() {
    splitSwitch.close();
    buffers.close();
  }
}
