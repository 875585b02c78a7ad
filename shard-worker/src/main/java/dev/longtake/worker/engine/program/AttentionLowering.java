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
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** The instructions of the attentions, and their weights. */
final class AttentionLowering {
  private final ModelDescription model;
  private final Sharding sharding;
  private final WeightList weights;
  private final List<Instruction> program;

  AttentionLowering(
      ModelDescription model, Sharding sharding, WeightList weights, List<Instruction> program) {
    this.model = model;
    this.sharding = sharding;
    this.weights = weights;
    this.program = program;
  }

  void lower(Block block, Op.SelfAttention op, boolean last, Reach reach) {
    int channels = model.channels();
    boolean reduced = op.keyValueReduction() > 1;
    String first = block.name() + "." + op.parts().getFirst().name();
    Stream stream = op.parts().size() > 1 ? Stream.ALL : op.parts().getFirst().stream();
    op.parts().forEach(part -> tables(part.input(), part.gate()));
    var kept = kept(first, op, stream, Value.NARROW);
    kept.ifPresent(it -> program.add(new Instruction.Reuse(it)));
    for (Op.Part part : op.parts()) {
      String name = block.name() + "." + part.name();
      Value input = read(name, part.stream(), part.input());
      if (reach == Reach.SWITCHED) {
        input = switched(name, input, "before " + block.name());
      }
      weights.reducible(name + ".qkv", 3 * channels, channels);
      program.add(new Instruction.Project(name + ".qkv", part.stream(), input, Activation.NONE));
      normRotate(name, part.stream(), Part.Q, 1, op.qkNorm(), op.rotary());
      if (!reduced) {
        normRotate(name, part.stream(), Part.K, 1, op.qkNorm(), op.rotary());
      }
    }
    if (reduced) {
      reduce(first, op);
      program.add(
          new Instruction.Attend(
              first, op.axis(), stream, Value.KEY_VALUE, op.keyValueReduction(), Value.NARROW));
    } else {
      attend(block, first, op.axis(), stream, reach, Value.NARROW);
    }
    kept.ifPresent(it -> program.add(new Instruction.Keep(it)));
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

  void lower(Block block, Op.ParallelAttention op, Reach reach) {
    int channels = model.channels();
    String name = block.name();
    weights.table(op.modulation().source(), program);
    program.add(
        new Instruction.Modulate(name + "." + op.name() + "_in", Stream.ALL, op.modulation()));
    weights.reducible(name + ".mlp_in", op.hidden(), channels);
    program.add(new Instruction.ProjectHidden(name + ".mlp_in"));
    var kept = kept(name + "." + op.name(), op, Stream.ALL, Value.HIDDEN);
    kept.ifPresent(it -> program.add(new Instruction.Reuse(it)));
    weights.reducible(name + ".qkv", 3 * channels, channels);
    program.add(new Instruction.Project(name + ".qkv", Stream.ALL, Value.NARROW, Activation.NONE));
    normRotate(name, Stream.ALL, Part.Q, 1, QkNorm.BEFORE_ROTATION, /* rotary= */ true);
    normRotate(name, Stream.ALL, Part.K, 1, QkNorm.BEFORE_ROTATION, /* rotary= */ true);
    attend(block, name + "." + op.name(), Axis.FULL, Stream.ALL, reach, Value.HIDDEN);
    kept.ifPresent(it -> program.add(new Instruction.Keep(it)));
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
    tables(op.input(), op.gate());
    var kept = kept(name, op, Stream.PATCHES, Value.NARROW);
    kept.ifPresent(it -> program.add(new Instruction.Reuse(it)));
    Value input = read(name, Stream.PATCHES, op.input());
    weights.reducible(name + ".q_linear", channels, channels);
    program.add(
        new Instruction.Project(name + ".q_linear", Stream.PATCHES, input, Activation.NONE));
    program.add(new Instruction.AttendText(name + ".kv_linear"));
    kept.ifPresent(it -> program.add(new Instruction.Keep(it)));
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

  /** What is kept of an attention, where a step cache takes it over. */
  private Optional<Instruction.Kept> kept(String name, Op op, Stream stream, Value value) {
    return op.reusable()
        .filter(operation -> sharding.stepCache().operations().contains(operation))
        .map(operation ->
            new Instruction.Kept.Input(name, operation, stream, value, model.channels()));
  }

  /** The vectors that a branch and its gate need, also in steps that take the branch over. */
  private void tables(Op.Input input, @Nullable Gate gate) {
    if (gate != null) {
      weights.table(gate.source(), program);
    }
    if (input instanceof Op.Input.Modulated(var modulation)) {
      weights.table(modulation.source(), program);
    }
  }

  /** What an attention reads, split as it needs it. */
  private Value switched(String name, Value input, String place) {
    if (input.equals(Value.RESIDUAL)) {
      // The residual stream itself keeps its split.
      program.add(new Instruction.ReadWithPosition(name + "_in", /* position= */ null));
    }
    program.add(new Instruction.SwitchSplit(Value.NARROW, Split.FRAME, Split.PATCH, place));
    return Value.NARROW;
  }

  /** Prepares what a branch reads. */
  private Value read(String name, Stream stream, Op.Input input) {
    return switch (input) {
      case Op.Input.Modulated(var modulation) -> {
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

  private void attend(
      Block block, String name, Axis axis, Stream stream, Reach reach, Value result) {
    String place = "in " + block.name();
    switch (reach) {
      case LOCAL -> {
        Value keys = Value.WIDE;
        if (stream.hasText()) {
          // All are here, but text and patches of a branch must be one sequence.
          program.add(new Instruction.GatherKeyValue(place));
          keys = Value.KEY_VALUE;
        }
        program.add(new Instruction.Attend(name, axis, stream, keys, /* reduction= */ 1, result));
      }
      case KEYS -> {
        program.add(new Instruction.GatherKeyValue(place));
        program.add(
            new Instruction.Attend(
                name, axis, stream, Value.KEY_VALUE, /* reduction= */ 1, result));
      }
      case HEADS -> {
        program.add(new Instruction.ScatterHeads(place));
        program.add(
            new Instruction.Attend(
                name, axis, stream, Value.HEADS, /* reduction= */ 1, Value.HEADS_RESULT));
        program.add(new Instruction.CollectHeads(name, stream, result, place));
      }
      case SWITCHED -> {
        program.add(
            new Instruction.Attend(name, axis, stream, Value.WIDE, /* reduction= */ 1, result));
        program.add(
            new Instruction.SwitchSplit(
                result, Split.PATCH, Split.FRAME, "behind " + block.name() + "'s attention"));
      }
    }
  }
}
