package dev.longtake.worker.engine.program;

import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.model.Modulation.Source;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The weights that a program needs, each once. */
final class WeightList {
  private final ModelDescription model;
  private final Map<String, LinearSpec> linears = new LinkedHashMap<>();
  private final Map<String, TensorSpec> tensors = new LinkedHashMap<>();

  WeightList(ModelDescription model) {
    this.model = model;
  }

  List<LinearSpec> linears() {
    return List.copyOf(linears.values());
  }

  List<TensorSpec> tensors() {
    return List.copyOf(tensors.values());
  }

  void tensor(String name, Integer... shape) {
    tensors.put(name, new TensorSpec(name, List.of(shape)));
  }

  /** A layer inside the blocks, whose product may run in bfloat16. */
  void reducible(String layer, int outputs, int inputs) {
    linears.put(layer, new LinearSpec(layer, List.of(outputs, inputs), /* reducible= */ true));
  }

  /** A layer whose product is always float32. */
  void exact(String layer, int outputs, int inputs) {
    exact(layer, List.of(outputs, inputs));
  }

  /** The same with the shape that the file has. */
  void exact(String layer, List<Integer> shape) {
    linears.put(layer, new LinearSpec(layer, shape, /* reducible= */ false));
  }

  /** Adds the vector to a modulation's table, the first time the table is met. */
  void table(Source source, List<Instruction> program) {
    if (source instanceof Source.Table(String table, int rows, String vector)
        && !tensors.containsKey(table)) {
      tensor(table, rows, model.channels());
      program.add(new Instruction.AddTable(table, rows, vector));
    }
  }
}
