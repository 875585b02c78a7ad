package dev.longtake.worker.engine.exec;

import dev.longtake.common.tensor.DType;
import dev.longtake.worker.device.Activation;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.Kernels;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.device.PackedLinear;
import dev.longtake.worker.engine.model.FinalLayer;
import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.model.Position;
import dev.longtake.worker.engine.model.Stream;
import dev.longtake.worker.engine.program.Instruction;
import dev.longtake.worker.engine.program.Value;

/**
 * The instructions of blocks and of the final layer, on all tokens or on a piece of them. Several threads may be here at once with tokens of
 * their own, unless a tap takes values.
 */
final class TokenInstructions {
  private final Device device;
  private final ModelDescription model;
  private final Weights weights;
  private final Modulators modulators;
  private final Positions positions;
  private final Attentions attentions;
  private final Taps taps;

  TokenInstructions(
      Device device,
      ModelDescription model,
      Weights weights,
      Modulators modulators,
      Positions positions,
      Attentions attentions,
      Taps taps) {
    this.device = device;
    this.model = model;
    this.weights = weights;
    this.modulators = modulators;
    this.positions = positions;
    this.attentions = attentions;
    this.taps = taps;
  }

  void execute(Instruction instruction, Tokens tokens) {
    switch (instruction) {
      case Instruction.AddPosition add -> addPosition(add, tokens);
      case Instruction.Mark mark ->
          take(mark.name(), tokens.layout().text().isEmpty() ? Stream.PATCHES : Stream.ALL, tokens);
      case Instruction.Modulate modulate -> modulate(modulate, tokens);
      case Instruction.ReadWithPosition read -> readWithPosition(read, tokens);
      case Instruction.Project project -> project(project, tokens);
      case Instruction.ProjectHidden project -> projectHidden(project, tokens);
      case Instruction.NormRotate norm -> attentions.normRotate(norm, tokens);
      case Instruction.ReduceKeyValue reduce -> attentions.reduce(reduce, tokens);
      case Instruction.Attend attend -> attentions.attend(attend, tokens);
      case Instruction.AttendText attend -> attentions.attendText(attend.keyValueLayer(), tokens);
      case Instruction.AddProjection add -> addProjection(add, tokens);
      case Instruction.ProjectFinal last -> projectFinal(last.layer(), tokens);
      default ->
          throw new IllegalStateException(
              "Expected an instruction of a block, but got " + instruction);
    }
  }

  private void addPosition(Instruction.AddPosition add, Tokens tokens) {
    addPosition(add, tokens.residual(), tokens);
    if (taps.wants("pos_emb") && !(add.position() instanceof Position.Frames)) {
      int rows = tokens.layout().rows();
      try (var scratch = device.memory().allocate(4L * rows * model.channels(), "taps")) {
        Matrix alone = Matrix.dense(scratch, rows, model.channels(), DType.F32);
        addPosition(add, alone, tokens);
        taps.take("pos_emb", add.stream(), tokens.rows(alone, add.stream()), tokens.layout());
      }
    }
  }

  private void addPosition(Instruction.AddPosition add, Matrix all, Tokens tokens) {
    if (add.stream().hasText() && add.position() instanceof Position.Sequence ofSequence) {
      positions.addText(ofSequence, all, tokens.layout());
    }
    positions.add(
        tokens.kernels(), add.position(), tokens.rows(all, Stream.PATCHES), tokens.layout());
  }

  private void modulate(Instruction.Modulate instruction, Tokens tokens) {
    Matrix out = tokens.narrow(weights.blockType());
    modulators.modulate(tokens, out, instruction.stream(), instruction.modulation());
    Stream stream = instruction.stream();
    taps.take(instruction.name(), stream, tokens.rows(out, stream), tokens.layout());
  }

  private void readWithPosition(Instruction.ReadWithPosition instruction, Tokens tokens) {
    Kernels kernels = tokens.kernels();
    Matrix sum = tokens.wide(model.channels(), DType.F32);
    kernels.copy(tokens.residual(), sum);
    Matrix patches = tokens.rows(sum, Stream.PATCHES);
    if (instruction.position() != null) {
      positions.add(kernels, instruction.position(), patches, tokens.layout());
    }
    taps.take(instruction.name(), Stream.PATCHES, patches, tokens.layout());
    kernels.activate(sum, tokens.narrow(weights.blockType()), Activation.NONE);
  }

  private void project(Instruction.Project instruction, Tokens tokens) {
    PackedLinear layer = weights.linear(instruction.layer());
    Stream stream = instruction.stream();
    Matrix in = tokens.rows(input(instruction.input(), layer, tokens), stream);
    // Only the MLP's hidden layer is read by a product again; q, k and v stay exact.
    DType type = instruction.activation() == Activation.NONE ? DType.F32 : weights.blockType();
    Matrix out = tokens.rows(tokens.wide(layer.outputColumns(), type), stream);
    tokens.kernels().linear(layer, in, out, instruction.activation());
    taps.take(instruction.layer(), stream, out, tokens.layout());
  }

  private void projectHidden(Instruction.ProjectHidden instruction, Tokens tokens) {
    PackedLinear layer = weights.linear(instruction.layer());
    int channels = model.channels();
    Matrix hidden =
        tokens.hidden(weights.blockType()).columns(channels, channels + layer.outputColumns());
    tokens.kernels().linear(layer, tokens.narrow(layer.inputType()), hidden, Activation.GELU_TANH);
  }

  /** The matrix a product reads, all rows, cast where the value has another type. */
  private static Matrix input(Value value, PackedLinear layer, Tokens tokens) {
    if (value.equals(Value.NARROW)) {
      return tokens.narrow(layer.inputType());
    }
    if (value.equals(Value.WIDE)) {
      return tokens.wide(layer.inputColumns(), layer.inputType());
    }
    if (value.equals(Value.HIDDEN)) {
      return tokens.hidden(layer.inputType()).columns(0, layer.inputColumns());
    }
    if (layer.inputType() == DType.F32) {
      return tokens.residual();
    }
    Matrix cast = tokens.narrow(layer.inputType());
    tokens.kernels().activate(tokens.residual(), cast, Activation.NONE);
    return cast;
  }

  private void addProjection(Instruction.AddProjection instruction, Tokens tokens) {
    PackedLinear layer = weights.linear(instruction.layer());
    Stream stream = instruction.stream();
    Matrix in = input(instruction.input(), layer, tokens);
    Matrix ofStream = tokens.rows(in, stream);
    taps.take(instruction.layer() + "_in", stream, ofStream, tokens.layout());
    if (taps.wants(instruction.resultName())) {
      takeProduct(instruction.resultName(), layer, stream, ofStream, tokens);
    }
    modulators.addProjection(tokens, layer, in, stream, instruction.gate());
    take(instruction.afterName(), stream, tokens);
  }

  /** The product never exists on its own in a run; for a tap it is computed once more. */
  void takeProduct(String name, PackedLinear layer, Stream stream, Matrix in, Tokens tokens) {
    int columns = layer.outputColumns();
    try (var scratch = device.memory().allocate((long) in.rows() * columns * 4, "taps")) {
      Matrix product = Matrix.dense(scratch, in.rows(), columns, DType.F32);
      tokens.kernels().linear(layer, in, product, Activation.NONE);
      taps.take(name, stream, product, tokens.layout());
    }
  }

  private void projectFinal(FinalLayer layer, Tokens tokens) {
    take("final_in", Stream.PATCHES, tokens);
    Matrix normed = tokens.narrow(DType.F32);
    modulators.modulateFinal(tokens, normed, layer);
    Matrix prediction = tokens.requiredPrediction();
    Matrix patches = tokens.rows(normed, Stream.PATCHES);
    tokens.kernels().linear(weights.linear(layer.layer()), patches, prediction, Activation.NONE);
    taps.take("final_layer", Stream.PATCHES, prediction, tokens.layout());
  }

  /** Offers the residual stream. */
  void take(String name, Stream stream, Tokens tokens) {
    taps.take(name, stream, tokens.rows(tokens.residual(), stream), tokens.layout());
  }
}
