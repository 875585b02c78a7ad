package dev.longtake.worker.inspect;

import dev.longtake.common.checkpoint.Checkpoints;
import dev.longtake.common.model.ModelFolder;
import dev.longtake.common.partition.Grain;
import dev.longtake.common.tensor.DType;
import dev.longtake.worker.device.cpu.CpuDevice;
import dev.longtake.worker.engine.exec.Branch;
import dev.longtake.worker.engine.exec.Condition;
import dev.longtake.worker.engine.exec.MemoryPlan;
import dev.longtake.worker.engine.exec.TextRow;
import dev.longtake.worker.engine.loading.Inventory;
import dev.longtake.worker.engine.loading.OpenModel;
import dev.longtake.worker.engine.loading.PositionTables;
import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.program.Program;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * All that can be said of a model without running it. Names and shapes are read, and the values of stored position tables.
 *
 * @param files that hold the tensors
 * @param tensorsByType how many tensors of each type the files have
 * @param memory what each worker needs, by rank
 */
record Inspection(
    ModelFolder folder,
    OpenModel model,
    List<Path> files,
    Map<DType, Integer> tensorsByType,
    List<ParameterGroup> parameters,
    Clip clip,
    DType precision,
    List<MemoryPlan> memory,
    Inventory inventory,
    List<PositionTables.Check> positions) {

  /** Looks at an open model, which must stay open. */
  static Inspection of(
      ModelFolder folder, OpenModel model, Clip clip, DType precision, int workers) {
    Map<DType, Integer> types = new TreeMap<>();
    for (String name : model.file().names()) {
      types.merge(model.file().info(name).orElseThrow().dtype(), 1, Integer::sum);
    }
    return new Inspection(
        folder,
        model,
        Checkpoints.files(folder.ditWeights()),
        types,
        ParameterGroup.of(Program.compile(model.description(), 1)),
        clip,
        precision,
        memory(folder, model.description(), clip, precision, workers),
        model.inventory(),
        PositionTables.check(model));
  }

  private static List<MemoryPlan> memory(
      ModelFolder folder, ModelDescription model, Clip clip, DType precision, int workers) {
    Program program = Program.compile(model, workers);
    Condition condition = condition(model, clip.branches());
    Grain grain = CpuDevice.grain(Runtime.getRuntime().availableProcessors());
    List<MemoryPlan> plans = new ArrayList<>();
    for (int rank = 0; rank < workers; rank++) {
      plans.add(
          MemoryPlan.of(
              program,
              precision,
              clip.geometry(folder.defaults(), model.patches().size(), rank, workers),
              condition,
              grain));
    }
    return plans;
  }

  /** Branches with the longest text that the model takes. */
  private static Condition condition(ModelDescription model, int branches) {
    var text = model.text();
    TextRow row = text == null ? new TextRow.None() : new TextRow.Null(text.maxTokens());
    List<Branch> rows = new ArrayList<>();
    for (int branch = 0; branch < branches; branch++) {
      rows.add(
          new Branch(
              /* sample= */ 0,
              row,
              /* pooledText= */ null,
              /* classLabel= */ null,
              new Branch.Scalars(0, 0, 0, 0, 0, 0),
              row.tokens(),
              /* paddedSequence= */ 0));
    }
    return new Condition(rows, /* frameMasks= */ false);
  }

  /** Whether a worker would run it. */
  boolean canRun() {
    return inventory.isComplete() && positions.stream().allMatch(PositionTables.Check::agrees);
  }

  /** What is wrong, one line each. */
  List<String> complaints() {
    List<String> lines = new ArrayList<>();
    String file = model.file().location();
    if (!inventory.missing().isEmpty()) {
      lines.add(file + " lacks " + counted(inventory.missing()));
    }
    lines.addAll(inventory.misfits());
    if (!inventory.unknown().isEmpty()) {
      lines.add(
          "%s has %s, which no %s has"
              .formatted(file, counted(inventory.unknown()), model.description().architecture()));
    }
    positions.stream()
        .filter(check -> !check.agrees())
        .forEach(
            check -> lines.add("%s in %s %s".formatted(check.tensor(), file, check.verdict())));
    return lines;
  }

  private static String counted(List<String> names) {
    return names.size() == 1
        ? "the tensor " + names.getFirst()
        : "%d tensors, the first being %s".formatted(names.size(), names.getFirst());
  }
}
