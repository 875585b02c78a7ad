package dev.longtake.worker.order;

import dev.longtake.v1.AttentionProfile;
import dev.longtake.v1.BlockProfile;
import dev.longtake.v1.ModelProfile;
import dev.longtake.worker.engine.model.Axis;
import dev.longtake.worker.engine.model.Block;
import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.model.Op;
import dev.longtake.worker.engine.model.PatchEmbedding;
import dev.longtake.worker.engine.program.Between;
import dev.longtake.worker.engine.program.Instruction;
import dev.longtake.worker.engine.program.LinearSpec;
import dev.longtake.worker.engine.program.Program;
import dev.longtake.worker.engine.program.Region;
import dev.longtake.worker.engine.program.TensorSpec;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import java.util.function.ToLongFunction;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * What planning needs to know of a model, from its description alone: weights are not needed. Parameters belong to a block whose
 * name is the prefix of theirs, to the last stage with the final layer's prefix, to the first stage as layers that embed patches, and
 * to every stage otherwise.
 */
public final class ModelProfiles {
  private static final Pattern INDEX = Pattern.compile("\\.\\d+$");

  private final ModelDescription model;
  private final Program program;
  private final Map<String, LinearSpec> linears;
  private final Map<String, BlockProfile> structureOfKind = new HashMap<>();

  private ModelProfiles(ModelDescription model) {
    this.model = model;
    // The weights of one rank with all blocks, in the order of the blocks.
    program = Program.compile(model, /* sequenceRanks= */ 1);
    linears =
        program.linears().stream()
            .collect(Collectors.toMap(LinearSpec::layer, linear -> linear, (a, _) -> a));
  }

  /** The profile of a model; the same description gives the same one on every worker. */
  public static ModelProfile of(ModelDescription model) {
    return new ModelProfiles(model).profile();
  }

  private ModelProfile profile() {
    PatchEmbedding patches = model.patches();
    int predictionColumns = model.outputChannels() * patches.size().volume();
    long embedded = (long) model.latentChannels() * patches.size().volume();
    if (patches.hasReference()) {
      embedded += (1L + model.latentChannels()) * patches.size().volume();
    }
    var profile =
        ModelProfile.newBuilder()
            .setChannels(model.channels())
            .setHeads(model.heads())
            .setPredictionColumns(predictionColumns)
            .setPatchFrames(patches.size().frames())
            .setPatchHeight(patches.size().height())
            .setPatchWidth(patches.size().width())
            .setDropsIncompletePatches(patches.dropsIncomplete())
            .setTextInSequence(model.textIsSequence())
            .setWholeColumns(columns(region -> !region.isCut() && !embeds(region)))
            .setPieceColumns(columns(Region::isCut))
            .setHiddenColumns(hiddenColumns())
            .setOutputChannels(model.outputChannels())
            .setLatentChannels(model.latentChannels())
            .setFirstStageFlopsPerToken(2 * embedded * model.channels())
            .setLastStageFlopsPerToken(2L * predictionColumns * model.channels());
    var text = model.text();
    if (text != null) {
      profile.setTextChannels(text.channels());
    }
    Map<Part, Counts> counts = counts();
    for (Block block : model.blocks()) {
      profile.addBlocks(
          block(block, counts.getOrDefault(new Part.OfBlock(block.name()), Counts.NONE)));
    }
    return profile
        .setFirstStageParameters(total(counts, Part.Edge.FIRST_STAGE))
        .setLastStageParameters(total(counts, Part.Edge.LAST_STAGE))
        .setSharedParameters(total(counts, Part.Edge.EVERY_STAGE))
        .build();
  }

  /** Which workers hold a weight. */
  private sealed interface Part {
    /** Those with the block. */
    record OfBlock(String name) implements Part {}

    /** Those at an end, or all. */
    enum Edge implements Part {
      FIRST_STAGE,
      LAST_STAGE,
      EVERY_STAGE
    }
  }

  /** Parameters of products that may be bfloat16, and all others. */
  private record Counts(long reducible, long exact) {
    static final Counts NONE = new Counts(0, 0);

    Counts plus(Counts other) {
      return new Counts(reducible + other.reducible, exact + other.exact);
    }
  }

  private static long total(Map<Part, Counts> counts, Part part) {
    Counts found = counts.getOrDefault(part, Counts.NONE);
    return found.reducible + found.exact;
  }

  /** Layers that nothing but texts are projected by are read when they are needed; of those the largest is counted, in float32. */
  private Map<Part, Counts> counts() {
    Map<Part, Counts> counts = new HashMap<>();
    Set<String> textLayers = program.textLayers();
    long largestTextLayer = 0;
    for (LinearSpec linear : program.linears()) {
      long weight = (long) linear.outputColumns() * linear.inputColumns();
      long bias = linear.outputColumns();
      if (textLayers.contains(linear.layer())) {
        largestTextLayer = Math.max(largestTextLayer, weight + bias);
        continue;
      }
      counts.merge(
          part(linear.layer()),
          linear.reducible() ? new Counts(weight, bias) : new Counts(0, weight + bias),
          Counts::plus);
    }
    counts.merge(Part.Edge.EVERY_STAGE, new Counts(0, largestTextLayer), Counts::plus);
    for (TensorSpec tensor : program.tensors()) {
      counts.merge(part(tensor.name()), new Counts(0, tensor.elements()), Counts::plus);
    }
    return counts;
  }

  private Part part(String weight) {
    String finalLayer = model.finalLayer().layer();
    if (weight.startsWith(finalLayer.substring(0, finalLayer.lastIndexOf('.') + 1))) {
      return Part.Edge.LAST_STAGE;
    }
    if (weight.equals(model.patches().layer()) || weight.equals(model.patches().reference())) {
      return Part.Edge.FIRST_STAGE;
    }
    return model.blocks().stream()
        .map(Block::name)
        .filter(name -> weight.startsWith(name + "."))
        .<Part>map(Part.OfBlock::new)
        .findFirst()
        .orElse(Part.Edge.EVERY_STAGE);
  }

  private BlockProfile block(Block block, Counts counts) {
    BlockProfile.Builder profile =
        BlockProfile.newBuilder()
            .setReducibleParameters(counts.reducible)
            .setFloatParameters(counts.exact)
            .setFlopsPerToken(flopsPerToken(block));
    for (Op op : block.ops()) {
      switch (op) {
        case Op.SelfAttention attention ->
            profile.addAttentions(
                AttentionProfile.newBuilder()
                    .setAxis(axis(attention.axis()))
                    .setKeyValueReduction(attention.keyValueReduction()));
        case Op.ParallelAttention _ ->
            profile.addAttentions(
                AttentionProfile.newBuilder().setAxis(axis(Axis.FULL)).setKeyValueReduction(1));
        case Op.CrossAttention _ -> profile.setTextAttentions(profile.getTextAttentions() + 1);
        case Op.Mlp mlp -> {
          profile.setMlps(profile.getMlps() + 1);
          // A token goes through the MLP of its stream.
          if (mlp.stream().hasPatches()) {
            profile.setMlpColumns(profile.getMlpColumns() + mlp.hidden());
          }
        }
        case Op.AddPosition _ -> {}
      }
    }
    return profile
        .setKind(kind(INDEX.matcher(block.name()).replaceFirst(""), profile.build()))
        .build();
  }

  private static AttentionProfile.Axis axis(Axis axis) {
    return switch (axis) {
      case SPATIAL -> AttentionProfile.Axis.AXIS_SPATIAL;
      case TEMPORAL -> AttentionProfile.Axis.AXIS_TEMPORAL;
      case FULL -> AttentionProfile.Axis.AXIS_FULL;
    };
  }

  /** The block's name without its index, and where another structure has that already, with a number behind it. */
  private String kind(String name, BlockProfile structure) {
    String kind = name;
    for (int i = 2; !structureOfKind.computeIfAbsent(kind, _ -> structure).equals(structure); i++) {
      kind = name + "#" + i;
    }
    return kind;
  }

  /**
   * Products of a token. Where text and patches have layers of their own, a token goes through one of the two, which are of the same
   * size: the patches' are counted. Keys and values of the text are computed once per job.
   */
  private long flopsPerToken(Block block) {
    long flops = 0;
    for (Instruction instruction : program.step()) {
      String layer =
          switch (instruction) {
            case Instruction.Project project when project.stream().hasPatches() -> project.layer();
            case Instruction.ProjectHidden project -> project.layer();
            case Instruction.AddProjection project when project.stream().hasPatches() ->
                project.layer();
            default -> "";
          };
      if (layer.startsWith(block.name() + ".")) {
        LinearSpec linear = linear(layer);
        flops += 2L * linear.outputColumns() * linear.inputColumns();
      }
    }
    return flops;
  }

  /** Of the values between two instructions in some regions. */
  private int columns(Predicate<Region> which) {
    return program.regions().stream()
        .filter(which)
        .map(region -> Between.of(program, region))
        .reduce(Between::or)
        .map(between -> between.columns(model.channels()))
        .orElse(0);
  }

  /** What latents pass through on their way into the network follows from the patches' size. */
  private static boolean embeds(Region region) {
    return switch (region.instructions().getFirst()) {
      case Instruction.EmbedPatches _, Instruction.EmbedReference _ -> true;
      default -> false;
    };
  }

  private int hiddenColumns() {
    return widest(instruction ->
        instruction instanceof Instruction.ProjectHidden project
            ? model.channels() + linear(project.layer()).outputColumns()
            : 0);
  }

  private int widest(ToLongFunction<Instruction> columns) {
    return Math.toIntExact(program.step().stream().mapToLong(columns).max().orElse(0));
  }

  private LinearSpec linear(String layer) {
    LinearSpec linear = linears.get(layer);
    if (linear == null) {
      throw new IllegalStateException(
          "Expected a program that names the layers it uses, but '" + layer + "' is not there");
    }
    return linear;
  }
}
