package dev.longtake.worker.inspect;

import dev.longtake.worker.engine.model.Axis;
import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.model.Op;
import dev.longtake.worker.engine.model.Position;
import dev.longtake.worker.engine.model.VectorOp;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;

/** What a description says of a model, in words. */
final class Traits {
  private Traits() {}

  /** Whether frames know of each other; else the model makes single images. */
  static boolean isVideo(ModelDescription model) {
    boolean ofImages =
        model.positions().stream().allMatch(position -> position instanceof Position.Grid);
    return model.rotary() != null
        || attends(model, Axis.TEMPORAL)
        || model.positions().stream().anyMatch(position -> position instanceof Position.Sequence)
        || (attends(model, Axis.FULL) && !ofImages);
  }

  private static boolean attends(ModelDescription model, Axis axis) {
    return ops(model)
        .anyMatch(op -> op instanceof Op.SelfAttention attention && attention.axis() == axis);
  }

  private static Stream<Op> ops(ModelDescription model) {
    return model.blocks().stream().flatMap(block -> block.ops().stream());
  }

  /** Width of the blocks' MLPs. */
  static int mlpChannels(ModelDescription model) {
    return ops(model)
        .mapToInt(op ->
            switch (op) {
              case Op.Mlp mlp -> mlp.hidden();
              case Op.ParallelAttention parallel -> parallel.hidden();
              default -> 0;
            })
        .max()
        .orElse(0);
  }

  /** What the model is told, most general first. */
  static List<String> conditions(ModelDescription model) {
    List<String> conditions = new ArrayList<>();
    for (VectorOp vector : model.vectors()) {
      if (vector instanceof VectorOp.Sinusoid sinusoid) {
        conditions.add(sinusoid.scalar().name().toLowerCase(Locale.ROOT).replace('_', ' '));
      }
    }
    if (model.classes() > 0) {
      conditions.add(model.classes() + " classes");
    }
    var pooled = model.pooledText();
    if (pooled != null) {
      conditions.add("pooled text of %d channels".formatted(pooled.channels()));
    }
    var text = model.text();
    if (text != null) {
      conditions.add(
          "up to %d text tokens of %d channels, %s"
              .formatted(
                  text.maxTokens(),
                  text.channels(),
                  model.textIsSequence() ? "in one sequence with the patches" : "attended to"));
    }
    if (model.patches().hasReference()) {
      conditions.add("reference latents");
    }
    return conditions.stream().distinct().toList();
  }
}
