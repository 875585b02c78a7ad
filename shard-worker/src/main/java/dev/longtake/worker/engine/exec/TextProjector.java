package dev.longtake.worker.engine.exec;

import dev.longtake.common.tensor.DType;
import dev.longtake.worker.device.Activation;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.DeviceBuffer;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.device.PackedLinear;
import dev.longtake.worker.engine.model.TextInput;
import dev.longtake.worker.engine.program.Instruction;
import dev.longtake.worker.engine.program.Program;
import dev.longtake.worker.engine.program.Value;
import dev.longtake.worker.engine.trace.LaneTrace;
import java.util.List;

/** Prepares texts by the text part of a program. For the thread that has the turn on the device; owns nothing. */
public final class TextProjector implements TextPreparation {
  private final Device device;
  private final Program program;
  private final Weights weights;
  private final LaneTrace trace;

  /**
   * For one lane.
   *
   * @param weights that serve the program
   * @param trace hears of every instruction
   */
  public TextProjector(Device device, Program program, Weights weights, LaneTrace trace) {
    this.device = device;
    this.program = program;
    this.weights = weights;
    this.trace = trace;
  }

  @Override
  public Program program() {
    return program;
  }

  @Override
  public DType blockType() {
    return weights.blockType();
  }

  @Override
  public PreparedText prepare(TextRow text) {
    PreparedText prepared = PreparedText.allocate(device.memory(), program, text.tokens());
    boolean isReady = false;
    try {
      for (Instruction instruction : program.text()) {
        trace.begin(Labels.of(instruction));
        switch (instruction) {
          case Instruction.ProjectText project -> project(project, text, prepared);
          case Instruction.ProjectKeyValue project -> project(project, prepared);
          default ->
              throw new IllegalStateException("Expected projections, but got " + instruction);
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
      project(instruction.layers(), encoded, out);
    }
  }

  /** By one layer, or by two with an activation between them; always in float32. */
  private void project(List<String> layers, Matrix in, Matrix out) {
    if (layers.size() == 1) {
      try (PackedLinear only = weights.openTextLayer(layers.getFirst())) {
        device.linear(only, in, out, Activation.NONE);
      }
      return;
    }
    try (DeviceBuffer scratch =
        device.memory().allocate(4L * in.rows() * out.columns(), "condition")) {
      Matrix hidden = Matrix.dense(scratch, in.rows(), out.columns(), DType.F32);
      try (PackedLinear first = weights.openTextLayer(layers.get(0))) {
        device.linear(first, in, hidden, Activation.GELU_TANH);
      }
      try (PackedLinear second = weights.openTextLayer(layers.get(1))) {
        device.linear(second, hidden, out, Activation.NONE);
      }
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
    try (PackedLinear layer = weights.openTextLayer(instruction.layer())) {
      project(layer, prepared.get(Value.TEXT), prepared.get(instruction.writes()));
    }
  }

  private void project(PackedLinear layer, Matrix text, Matrix out) {
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
