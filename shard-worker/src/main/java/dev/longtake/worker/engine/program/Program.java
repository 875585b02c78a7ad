package dev.longtake.worker.engine.program;

import dev.longtake.common.tensor.DType;
import dev.longtake.worker.engine.model.ModelDescription;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * What one rank runs.
 *
 * @param start the split that tokens come in: that of the latents, or that in which the stage before leaves them
 * @param text once per text: all that depends on the text alone, so that jobs with the same text may share it
 * @param condition once per job: all else that depends on neither latents nor timestep
 * @param step once per denoising step
 * @param linears layers that must be loaded
 * @param tensors other weights that must be loaded
 */
public record Program(
    ModelDescription model,
    Split start,
    List<Instruction> text,
    List<Instruction> condition,
    List<Instruction> step,
    List<LinearSpec> linears,
    List<TensorSpec> tensors) {
  public Program {
    text = List.copyOf(text);
    condition = List.copyOf(condition);
    step = List.copyOf(step);
    linears = List.copyOf(linears);
    tensors = List.copyOf(tensors);
  }

  /** Compiles a whole model for ranks that share its sequences by {@link Sharding#sequence}. */
  public static Program compile(ModelDescription model, int sequenceRanks) {
    return compile(model, Sharding.sequence(sequenceRanks, model.blocks().size()));
  }

  /** Compiles a stage of a model; every sequence rank of the stage runs the same program. */
  public static Program compile(ModelDescription model, Sharding sharding) {
    Lowering lowering = new Lowering(model, sharding);
    ShardingPass.Result sharded = ShardingPass.apply(model.blocks(), sharding);
    Hoisting.Parts parts = Hoisting.split(lowering.lower(sharded));
    return new Program(
        model,
        sharded.start(),
        parts.text(),
        parts.condition(),
        parts.step(),
        lowering.linears(),
        lowering.tensors());
  }

  /** All that does not run in every step, in order. */
  public List<Instruction> hoisted() {
    return Stream.concat(text.stream(), condition.stream()).toList();
  }

  /** The step's instructions in their order, with those together that can run piece by piece. */
  public List<Region> regions() {
    return RegionPass.regions(model, step);
  }

  /** Layers that nothing but the text part reads: a few products for each new text, and none in any step. */
  public Set<String> textLayers() {
    return text.stream()
        .flatMap(instruction ->
            switch (instruction) {
              case Instruction.ProjectText project -> project.layers().stream();
              case Instruction.ProjectKeyValue project -> Stream.of(project.layer());
              default -> Stream.<String>empty();
            })
        .collect(Collectors.toUnmodifiableSet());
  }

  /** A layer that it names. */
  public LinearSpec linear(String layer) {
    return linears.stream().filter(spec -> spec.layer().equals(layer)).findFirst().orElseThrow();
  }

  /** Whether it makes the model's prediction, being the last stage. */
  public boolean predicts() {
    return step.stream().anyMatch(instruction -> instruction instanceof Instruction.ProjectFinal);
  }

  /**
   * Bytes of all its weights as a device holds them, without padding: the blocks' layers in {@code blockType}, everything else
   * in float32.
   */
  public long weightBytes(DType blockType) {
    return bytes(linears.stream(), blockType)
        + tensors.stream().mapToLong(TensorSpec::elements).sum() * DType.F32.sizeBytes();
  }

  /** The same without {@link #textLayers}, of which one is there at a time, while a text is prepared. */
  public long heldWeightBytes(DType blockType) {
    Set<String> ofText = textLayers();
    return weightBytes(blockType)
        - bytes(linears.stream().filter(linear -> ofText.contains(linear.layer())), blockType);
  }

  private static long bytes(Stream<LinearSpec> layers, DType blockType) {
    return layers
        .mapToLong(layer -> {
          long outputs = layer.outputColumns();
          long weights = outputs * layer.inputColumns() * layer.type(blockType).sizeBytes();
          return weights + outputs * DType.F32.sizeBytes();
        })
        .sum();
  }
}
