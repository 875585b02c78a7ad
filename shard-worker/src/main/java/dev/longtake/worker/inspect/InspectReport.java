package dev.longtake.worker.inspect;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import dev.longtake.common.checkpoint.Checkpoints;
import dev.longtake.common.model.ModelDefaults;
import dev.longtake.common.tensor.DType;
import dev.longtake.worker.engine.exec.MemoryPlan;
import dev.longtake.worker.engine.loading.Family;
import dev.longtake.worker.engine.loading.LeftOver;
import dev.longtake.worker.engine.model.ModelDescription;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;

/** Prints an inspection, for people or for scripts. */
final class InspectReport {
  private static final Gson GSON =
      new GsonBuilder().setPrettyPrinting().disableHtmlEscaping().create();

  /** Of a list of tensors; JSON has them all. */
  private static final int MAX_LISTED = 12;

  private final Inspection inspection;
  private final ModelDescription model;

  InspectReport(Inspection inspection) {
    this.inspection = inspection;
    this.model = inspection.model().description();
  }

  void print(PrintWriter out) {
    out.println(inspection.folder().name());
    row(out, "family", family());
    row(out, "conditions", String.join("; ", Traits.conditions(model)));
    row(out, "sampler", sampler());
    row(out, "sizes", sizes());
    row(out, "layout", layout());
    row(out, "types", types());
    printParameters(out);
    printMemory(out);
    inspection
        .positions()
        .forEach(check -> row(out, "positions", check.tensor() + " " + check.verdict()));
    printNotUsed(out);
    list(out, "missing", inspection.inventory().missing());
    list(out, "misfits", inspection.inventory().misfits());
    list(out, "unknown", inspection.inventory().unknown());
    row(out, "verdict", inspection.canRun() ? "complete" : "not to be run");
    out.flush();
  }

  private static void row(PrintWriter out, String title, String text) {
    out.printf(Locale.ROOT, "  %-12s %s%n", title, text);
  }

  private static void list(PrintWriter out, String title, List<String> lines) {
    for (int i = 0; i < Math.min(lines.size(), MAX_LISTED); i++) {
      row(out, i == 0 ? title : "", lines.get(i));
    }
    if (lines.size() > MAX_LISTED) {
      row(out, "", "and %d more; --json lists all".formatted(lines.size() - MAX_LISTED));
    }
  }

  private String family() {
    String title =
        Family.of(inspection.model().file().names()).map(Family::title).orElse("of no known names");
    boolean told = inspection.folder().dit().isAbsent();
    return "%s, class %s, recognised by %s"
        .formatted(
            title,
            model.architecture(),
            told ? "its tensors" : inspection.model().config().file().getFileName());
  }

  private String sampler() {
    if (inspection.folder().vae().isPresent()) {
      ModelDefaults defaults = inspection.folder().defaults();
      return "%s, %d steps, guidance %s"
          .formatted(defaults.sampler().label(), defaults.steps(), defaults.guidance());
    }
    return Family.of(inspection.model().file().names())
        .map(family -> family.sampler().label() + ", as published")
        .orElse("not known");
  }

  private String sizes() {
    var patch = model.patches().size();
    return "hidden %d, %d blocks, %d heads of %d, MLP %d, patch %dx%dx%d, latent channels %d, predicted %d"
        .formatted(
            model.channels(),
            model.blocks().size(),
            model.heads(),
            model.headDimension(),
            Traits.mlpChannels(model),
            patch.frames(),
            patch.height(),
            patch.width(),
            model.latentChannels(),
            model.outputChannels());
  }

  private String layout() {
    List<Path> files = inspection.files();
    long bytes = files.stream().mapToLong(InspectReport::size).sum();
    return "%s names, %s, %s, %s"
        .formatted(
            isDiffusers() ? "diffusers'" : "the original's",
            format(),
            files.size() == 1
                ? "1 file " + files.getFirst().getFileName()
                : files.size() + " files by " + inspection.folder().ditWeights().getFileName(),
            bytes(bytes));
  }

  private boolean isDiffusers() {
    return Family.of(inspection.model().file().names()).map(Family::isDiffusers).orElse(false);
  }

  private String format() {
    return Checkpoints.isPytorch(inspection.files().getFirst()) ? "PyTorch" : "safetensors";
  }

  private static long size(Path file) {
    try {
      return Files.size(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private String types() {
    return inspection.tensorsByType().entrySet().stream()
        .map(entry -> "%d tensors %s".formatted(entry.getValue(), entry.getKey()))
        .collect(Collectors.joining(", "));
  }

  private void printParameters(PrintWriter out) {
    row(out, "parameters", "%,d".formatted(totalParameters()));
    for (ParameterGroup group : inspection.parameters()) {
      String each =
          group.blocks() > 1 ? " (%,d each)".formatted(group.parameters() / group.blocks()) : "";
      out.printf(Locale.ROOT, "    %-24s %,18d%s%n", group.name(), group.parameters(), each);
    }
  }

  private long totalParameters() {
    return inspection.parameters().stream().mapToLong(ParameterGroup::parameters).sum();
  }

  private void printMemory(PrintWriter out) {
    Clip clip = inspection.clip();
    int workers = inspection.memory().size();
    row(
        out,
        "memory",
        "for %d frame%s of %dx%d pixels, %d guidance branches, in %s, %s"
            .formatted(
                clip.frames(),
                clip.frames() == 1 ? "" : "s",
                clip.width(),
                clip.height(),
                clip.branches(),
                precision(),
                workers == 1 ? "1 worker" : "each of %d workers at most".formatted(workers)));
    MemoryPlan most =
        inspection.memory().stream()
            .max(Comparator.comparingLong(MemoryPlan::totalBytes))
            .orElseThrow();
    out.printf("    %-24s %18s%n", "weights", bytes(most.weightBytes()));
    out.printf("    %-24s %18s%n", "activations", bytes(most.activationBytes()));
    out.printf("    %-24s %18s%n", "exchange", bytes(most.stagingBytes()));
    out.printf("    %-24s %18s%n", "together", bytes(most.totalBytes()));
  }

  private String precision() {
    return inspection.precision() == DType.BF16 ? "bf16" : "f32";
  }

  private void printNotUsed(PrintWriter out) {
    Map<String, List<String>> byReason =
        inspection.inventory().notUsed().stream()
            .collect(
                Collectors.groupingBy(
                    LeftOver::reason,
                    LinkedHashMap::new,
                    Collectors.mapping(LeftOver::tensor, Collectors.toList())));
    list(
        out,
        "not used",
        byReason.entrySet().stream()
            .map(entry ->
                "%s%s: %s"
                    .formatted(
                        String.join(", ", entry.getValue().stream().limit(3).toList()),
                        entry.getValue().size() > 3
                            ? " and %d more".formatted(entry.getValue().size() - 3)
                            : "",
                        entry.getKey()))
            .toList());
  }

  /** For example {@code "1.4 MiB"}. */
  private static String bytes(long bytes) {
    String[] units = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = bytes;
    int unit = 0;
    while (value >= 1024 && unit < units.length - 1) {
      value /= 1024;
      unit++;
    }
    return unit == 0 ? bytes + " B" : String.format(Locale.ROOT, "%.1f %s", value, units[unit]);
  }

  void printJson(PrintWriter out) {
    Map<String, Object> root = new LinkedHashMap<>();
    root.put("name", inspection.folder().name());
    root.put("architecture", model.architecture());
    root.put("family", family());
    root.put("conditions", Traits.conditions(model));
    root.put("sampler", sampler());
    root.put("config", inspection.model().config().json());
    root.put("hidden", model.channels());
    root.put("blocks", model.blocks().size());
    root.put("heads", model.heads());
    root.put("head_width", model.headDimension());
    root.put("layout", isDiffusers() ? "diffusers" : "original");
    root.put("format", format());
    root.put("files", inspection.files().stream().map(Path::toString).toList());
    root.put("tensors_by_type", inspection.tensorsByType());
    root.put("parameters", totalParameters());
    root.put("parameter_groups", inspection.parameters());
    root.put("clip", inspection.clip());
    root.put("precision", precision());
    root.put("memory_per_worker", inspection.memory());
    root.put("positions", inspection.positions());
    root.put("missing", inspection.inventory().missing());
    root.put("misfits", inspection.inventory().misfits());
    root.put("not_used", inspection.inventory().notUsed());
    root.put("unknown", inspection.inventory().unknown());
    root.put("complete", inspection.canRun());
    out.println(GSON.toJson(root));
    out.flush();
  }
}
