package dev.longtake.worker.engine.program;

import dev.longtake.worker.device.Activation;
import dev.longtake.worker.engine.model.Axis;
import dev.longtake.worker.engine.model.Block;
import dev.longtake.worker.engine.model.Gate;
import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.model.Op;
import dev.longtake.worker.engine.model.QkNorm;
import dev.longtake.worker.engine.model.Rotary;
import dev.longtake.worker.engine.model.Stream;
import dev.longtake.worker.engine.model.TextInput;
import dev.longtake.worker.engine.program.Instruction.NormRotate.Order;
import dev.longtake.worker.engine.program.Instruction.NormRotate.Part;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The instructions of the attentions, and their weights. */
final class AttentionLowering {
  private final ModelDescription model;
  private final int ranks;
  private final WeightList weights;
  private final List<Instruction> program;

  AttentionLowering(
      ModelDescription model, int ranks, WeightList weights, List<Instruction> program) {
    this.model = model;
    this.ranks = ranks;
    this.weights = weights;
    this.program = program;
  }

  void lower(Block block, Op.SelfAttention op, boolean last) {
    int channels = model.channels();
    boolean reduced = op.keyValueReduction() > 1;
    for (Op.Part part : op.parts()) {
      String name = block.name() + "." + part.name();
      Value input = read(name, part.stream(), part.input(), part.gate());
      weights.reducible(name + ".qkv", 3 * channels, channels);
      program.add(new Instruction.Project(name + ".qkv", part.stream(), input, Activation.NONE));
      normRotate(name, part.stream(), Part.Q, 1, op.qkNorm(), op.rotary());
      if (!reduced) {
        normRotate(name, part.stream(), Part.K, 1, op.qkNorm(), op.rotary());
      }
    }
    Stream stream = op.parts().size() > 1 ? Stream.ALL : op.parts().getFirst().stream();
    Value keys = Value.WIDE;
    if (reduced) {
      reduce(block.name() + "." + op.parts().getFirst().name(), op);
      keys = Value.KEY_VALUE;
    } else if (op.axis() == Axis.FULL) {
      keys = gather(block, stream);
    }
    program.add(
        new Instruction.Attend(
            block.name() + "." + op.parts().getFirst().name(),
            op.axis(),
            stream,
            keys,
            op.keyValueReduction(),
            Value.NARROW));
    for (Op.Part part : op.parts()) {
      String name = block.name() + "." + part.name();
      weights.reducible(name + ".proj", channels, channels);
      program.add(
          new Instruction.AddProjection(
              name + ".proj",
              part.stream(),
              Value.NARROW,
              part.gate(),
              name + "_out",
              Lowering.after(block, part.name(), last)));
    }
  }

  void lower(Block block, Op.ParallelAttention op) {
    int channels = model.channels();
    String name = block.name();
    weights.table(op.modulation().source(), program);
    program.add(
        new Instruction.Modulate(name + "." + op.name() + "_in", Stream.ALL, op.modulation()));
    weights.reducible(name + ".mlp_in", op.hidden(), channels);
    program.add(new Instruction.ProjectHidden(name + ".mlp_in"));
    weights.reducible(name + ".qkv", 3 * channels, channels);
    program.add(new Instruction.Project(name + ".qkv", Stream.ALL, Value.NARROW, Activation.NONE));
    normRotate(name, Stream.ALL, Part.Q, 1, QkNorm.BEFORE_ROTATION, /* rotary= */ true);
    normRotate(name, Stream.ALL, Part.K, 1, QkNorm.BEFORE_ROTATION, /* rotary= */ true);
    Value keys = gather(block, Stream.ALL);
    program.add(
        new Instruction.Attend(
            name + "." + op.name(), Axis.FULL, Stream.ALL, keys, /* reduction= */ 1, Value.HIDDEN));
    weights.reducible(name + ".linear2", channels, channels + op.hidden());
    program.add(
        new Instruction.AddProjection(
            name + ".linear2",
            Stream.ALL,
            Value.HIDDEN,
            op.modulation().gate(),
            name + ".linear2_out",
            name + ".out"));
  }

  void lower(Block block, Op.CrossAttention op, boolean last) {
    int channels = model.channels();
    TextInput text = model.text();
    if (text == null) {
      throw new IllegalStateException("Expected a text for " + block.name() + "." + op.name());
    }
    String name = block.name() + "." + op.name();
    int textWidth = text.layers().isEmpty() ? text.channels() : channels;
    weights.reducible(name + ".kv_linear", 2 * channels, textWidth);
    program.add(new Instruction.ProjectKeyValue(name + ".kv_linear"));
    Value input = read(name, Stream.PATCHES, op.input(), op.gate());
    weights.reducible(name + ".q_linear", channels, channels);
    program.add(
        new Instruction.Project(name + ".q_linear", Stream.PATCHES, input, Activation.NONE));
    program.add(new Instruction.AttendText(name + ".kv_linear"));
    weights.reducible(name + ".proj", channels, channels);
    program.add(
        new Instruction.AddProjection(
            name + ".proj",
            Stream.PATCHES,
            Value.NARROW,
            op.gate(),
            name + "_out",
            Lowering.after(block, op.name(), last)));
  }

  /** Prepares what a branch reads, and the vectors of its gate. */
  private Value read(String name, Stream stream, Op.Input input, @Nullable Gate gate) {
    if (gate != null) {
      weights.table(gate.source(), program);
    }
    return switch (input) {
      case Op.Input.Modulated(var modulation) -> {
        weights.table(modulation.source(), program);
        program.add(new Instruction.Modulate(name + "_in", stream, modulation));
        yield Value.NARROW;
      }
      case Op.Input.Plain(var position) -> {
        if (position == null) {
          program.add(new Instruction.Mark(name + "_in"));
          yield Value.RESIDUAL;
        }
        program.add(new Instruction.ReadWithPosition(name + "_in", position));
        yield Value.NARROW;
      }
    };
  }

  private void normRotate(
      String name, Stream stream, Part part, int reduction, QkNorm qkNorm, boolean rotary) {
    boolean norm = qkNorm != QkNorm.NONE;
    if (!norm && !rotary) {
      return;
    }
    Order order = qkNorm == QkNorm.AFTER_ROTATION ? Order.ROTATION_FIRST : Order.NORM_FIRST;
    var instruction =
        new Instruction.NormRotate(name, stream, part, reduction, norm, rotary, order);
    if (norm) {
      weights.tensor(instruction.normName() + ".weight", model.headDimension());
    }
    if (rotary && model.rotary() instanceof Rotary.Frames(String frequencies)) {
      weights.tensor(frequencies, model.headDimension() / 2);
    }
    program.add(instruction);
  }

  private void reduce(String name, Op.SelfAttention op) {
    int channels = model.channels();
    int factor = op.keyValueReduction();
    weights.tensor(name + ".sr.weight", channels, 1, factor, factor);
    weights.tensor(name + ".sr.bias", channels);
    weights.tensor(name + ".norm.weight", channels);
    weights.tensor(name + ".norm.bias", channels);
    program.add(new Instruction.ReduceKeyValue(name, factor));
    normRotate(name, Stream.PATCHES, Part.K, factor, op.qkNorm(), /* rotary= */ false);
  }

  /** One rank that has all keys in one stream can read them where they are. */
  private Value gather(Block block, Stream stream) {
    if (ranks == 1 && !stream.hasText()) {
      return Value.WIDE;
    }
    program.add(new Instruction.GatherKeyValue(stream, "in " + block.name()));
    return Value.KEY_VALUE;
  }
}
