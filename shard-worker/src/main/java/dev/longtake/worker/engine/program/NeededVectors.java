package dev.longtake.worker.engine.program;

import dev.longtake.worker.engine.model.Block;
import dev.longtake.worker.engine.model.Gate;
import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.model.Modulation;
import dev.longtake.worker.engine.model.Op;
import dev.longtake.worker.engine.model.VectorOp;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Which of a model's vectors some blocks need, directly or through other vectors, so that a stage holds no weights but its own. */
final class NeededVectors {
  private final Set<String> needed = new HashSet<>();

  private NeededVectors() {}

  /** In the model's order, in which every vector comes after those it is made of. */
  static List<VectorOp> of(ModelDescription model, List<Block> blocks, boolean finalLayer) {
    NeededVectors vectors = new NeededVectors();
    blocks.stream().flatMap(block -> block.ops().stream()).forEach(vectors::addOf);
    if (finalLayer) {
      vectors.add(model.finalLayer().modulation());
    }
    List<VectorOp> inOrder = model.vectors();
    for (VectorOp op : inOrder.reversed()) {
      if (vectors.needed.contains(op.output())) {
        vectors.addInputs(op);
      }
    }
    return inOrder.stream().filter(op -> vectors.needed.contains(op.output())).toList();
  }

  private void addOf(Op op) {
    switch (op) {
      case Op.SelfAttention attention ->
          attention
              .parts()
              .forEach(part -> {
                add(part.input());
                add(part.gate());
              });
      case Op.ParallelAttention attention -> add(attention.modulation());
      case Op.CrossAttention attention -> {
        add(attention.input());
        add(attention.gate());
      }
      case Op.Mlp mlp -> {
        add(mlp.modulation());
        add(mlp.gate());
      }
      case Op.AddPosition _ -> {}
    }
  }

  private void add(Op.Input input) {
    switch (input) {
      case Op.Input.Modulated(var modulation) -> add(modulation);
      case Op.Input.Plain _ -> {}
    }
  }

  private void add(Modulation modulation) {
    add(modulation.source());
  }

  private void add(@Nullable Gate gate) {
    if (gate != null) {
      add(gate.source());
    }
  }

  private void add(Modulation.Source source) {
    needed.add(
        switch (source) {
          case Modulation.Source.Table table -> table.vector();
          case Modulation.Source.Vector vector -> vector.vector();
        });
  }

  private void addInputs(VectorOp op) {
    switch (op) {
      case VectorOp.Sum sum -> needed.addAll(List.of(sum.left(), sum.right()));
      case VectorOp.Concat concat -> needed.addAll(concat.parts());
      case VectorOp.WhereMasked choice ->
          needed.addAll(List.of(choice.ordinary(), choice.masked()));
      case VectorOp.SiluLinear linear -> needed.add(linear.input());
      case VectorOp.Sinusoid _, VectorOp.ClassEmbedding _, VectorOp.PooledText _ -> {}
    }
  }
}
