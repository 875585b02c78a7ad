package dev.longtake.worker.inspect;

import dev.longtake.worker.engine.model.Block;
import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.program.Program;
import dev.longtake.worker.engine.program.ProgramCheck;
import dev.longtake.worker.engine.program.TensorSpec;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Parameters of a part of the model.
 *
 * @param name of embedders, final layer, or a range of equal blocks: {@code "blocks 0-27"}
 * @param blocks how many; 0 for other parts
 * @param parameters of all together
 */
record ParameterGroup(String name, int blocks, long parameters) {
  private static final String EMBEDDERS = "embedders";
  private static final String FINAL = "final_layer";

  /** All parts of a model, in order: embedders, ranges of blocks, final layer. */
  static List<ParameterGroup> of(Program program) {
    Map<String, Long> parameters = new LinkedHashMap<>();
    parameters.put(EMBEDDERS, 0L);
    for (Block block : program.model().blocks()) {
      parameters.put(block.name(), 0L);
    }
    parameters.put(FINAL, 0L);
    for (TensorSpec spec : ProgramCheck.weights(program)) {
      long elements =
          spec.shape().stream().mapToLong(Integer::longValue).reduce(1, (a, b) -> a * b);
      parameters.merge(part(program.model(), spec.name()), elements, Long::sum);
    }
    return ranges(parameters);
  }

  private static String part(ModelDescription model, String weight) {
    if (weight.startsWith(FINAL + ".")) {
      return FINAL;
    }
    return model.blocks().stream()
        .map(Block::name)
        .filter(name -> weight.startsWith(name + "."))
        .findFirst()
        .orElse(EMBEDDERS);
  }

  /** Joins blocks of one kind and size that follow each other, also where two kinds alternate. */
  private static List<ParameterGroup> ranges(Map<String, Long> parameters) {
    Map<String, List<Range>> byKind = new LinkedHashMap<>();
    parameters.forEach((part, count) -> {
      int dot = part.lastIndexOf('.');
      String kind = dot < 0 ? part : part.substring(0, dot);
      int index = dot < 0 ? -1 : Integer.parseInt(part.substring(dot + 1));
      List<Range> ranges = byKind.computeIfAbsent(kind, _ -> new ArrayList<>());
      if (!ranges.isEmpty() && ranges.getLast().parametersEach == count) {
        ranges.set(ranges.size() - 1, ranges.getLast().to(index));
      } else {
        ranges.add(new Range(index, index, count));
      }
    });
    List<ParameterGroup> groups = new ArrayList<>();
    byKind.forEach((kind, ranges) -> ranges.forEach(range -> groups.add(range.group(kind))));
    return List.copyOf(groups);
  }

  /** Blocks first to last; -1 for a part that is no block. */
  private record Range(int first, int last, long parametersEach) {
    Range to(int index) {
      return new Range(first, index, parametersEach);
    }

    ParameterGroup group(String kind) {
      if (first < 0) {
        return new ParameterGroup(kind, 0, parametersEach);
      }
      int blocks = last - first + 1;
      String name = blocks == 1 ? kind + " " + first : "%s %d-%d".formatted(kind, first, last);
      return new ParameterGroup(name, blocks, blocks * parametersEach);
    }
  }
}
