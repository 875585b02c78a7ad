package dev.longtake.worker.engine.exec;

import dev.longtake.common.tensor.DType;
import dev.longtake.worker.device.Activation;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.DeviceBuffer;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.device.PackedLinear;
import dev.longtake.worker.engine.model.NullText;
import dev.longtake.worker.engine.model.TextInput;
import dev.longtake.worker.engine.program.Instruction;
import dev.longtake.worker.engine.program.Program;
import dev.longtake.worker.engine.program.Value;
import dev.longtake.worker.engine.trace.LaneTrace;

/**
 * Runs the part of a program that depends on the text alone, for one text. It has no exchanges: every rank prepares what its blocks
 * read, whole, so a rank that finds a text prepared and one that does not behave the same towards their peers. A token's values depend on
 * that token alone. For the thread that has the turn on the device; owns nothing.
 */
public final class TextPreparation {
  private final Device device;
  private final Program program;
  private final Weights weights;
  private final LaneTrace trace;

  TextPreparation(Device device, Program program, Weights weights, LaneTrace trace) {
    this.device = device;
    this.program = program;
    this.weights = weights;
    this.trace = trace;
  }

  /** Whose text part this runs. */
  public Program program() {
    return program;
  }

  /** Of what the blocks' products read. */
  public DType blockType() {
    return weights.blockType();
  }

  /** Projections that one text takes. */
  public int projections() {
    return program.text().size();
  }

  /**
   * Computes what the blocks read of a text.
   *
   * @return owned by the caller
   * @throws dev.longtake.common.error.LongtakeException OUT_OF_MEMORY
   */
  public PreparedText prepare(TextRow text) {
    PreparedText prepared = PreparedText.allocate(device.memory(), program, text.tokens());
    boolean isReady = false;
    try {
      for (Instruction instruction : program.text()) {
        trace.begin(Labels.of(instruction));
        switch (instruction) {
          case Instruction.ProjectText project -> project(project, text, prepared);
          case Instruction.ProjectKeyValue project -> project(project, prepared);
          default -> throw new IllegalStateException("Expected projections, but got " + instruction);
        }
        trace.pause();
      }
      isReady = true;
      return prepared;
    } finally {
      if (!isReady) {
        prepared.close();
      }
    }
  }

  private void project(Instruction.ProjectText instruction, TextRow text, PreparedText prepared) {
    Matrix out = prepared.get(instruction.writes());
    if (instruction.layers().isEmpty()) {
      upload(text, out);
      return;
    }
    int columns = input().channels();
    try (DeviceBuffer scratch =
        device.memory().allocate(4L * text.tokens() * columns, "condition")) {
      Matrix encoded = Matrix.dense(scratch, text.tokens(), columns, DType.F32);
      upload(text, encoded);
      Mlp.run(
          device,
          weights,
          instruction.layers(),
          Activation.GELU_TANH,
          encoded,
          out,
          "condition");
    }
  }

  private TextInput input() {
    TextInput input = program.model().text();
    if (input == null) {
      throw new IllegalStateException("Expected a model that reads text");
    }
    return input;
  }

  private void upload(TextRow text, Matrix rows) {
    switch (text) {
      case TextRow.Encoded encoded -> Floats.upload(device, encoded.values(), rows);
      case TextRow.Null(int tokens) ->
          NullTexts.upload(device, weights, input().nullText(), tokens, rows);
      case TextRow.None() -> {}
    }
  }

  private void project(Instruction.ProjectKeyValue instruction, PreparedText prepared) {
    PackedLinear layer = weights.linear(instruction.layer());
    Matrix text = prepared.get(Value.TEXT);
    Matrix out = prepared.get(instruction.writes());
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
}
