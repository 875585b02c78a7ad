package dev.longtake.worker.conformance;

import dev.longtake.v1.Precision;
import dev.longtake.v1.WorkOrder;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/** Runs of samplers: a whole sampling loop from given noise, every step compared. */
final class SamplerConformance {
  private final Gang gang;
  private final SamplerFormat format;
  private final Precision precision;
  private final double tolerance;

  SamplerConformance(Gang gang, SamplerFormat format, Precision precision, double tolerance) {
    this.gang = gang;
    this.format = format;
    this.precision = precision;
    this.tolerance = tolerance;
  }

  /** The format of a kind of case on a model; empty where we have none. */
  static Optional<SamplerFormat> format(String kind, String architecture) {
    return switch (kind) {
      case "sampler rflow" -> Optional.of(new RectifiedFlowFormat());
      case "sampler iddpm" ->
          Optional.of(
              new IddpmFormat(
                  architecture.equals("STDiT")
                      ? IddpmFormat.Release.V1_0
                      : IddpmFormat.Release.V1_1));
      case "sampler ddpm" -> Optional.of(new MarchFormat());
      case "sampler i2v" -> Optional.of(new GuidedFlowFormat());
      default -> Optional.empty();
    };
  }

  RunReport run(String golden, GoldenRun run) {
    Map<String, Captured> ours =
        gang.run(
            WorkOrder.newBuilder()
                .setPrecision(precision)
                .setSampling(format.task(run).addAllCapture(captures(run))));
    List<TensorCheck> checks = new ArrayList<>();
    Map<String, String> notCompared = new TreeMap<>();
    for (String name : run.outputNames()) {
      Optional<float[]> values = format.table(run, name).or(() -> captured(run, name, ours));
      if (values.isPresent()) {
        checks.add(
            TensorCheck.compare(
                name, values.get(), run.output(name).values(), format.tolerance(name, tolerance)));
      } else {
        notCompared.put(name, "the engine does not have this tensor");
      }
    }
    return new RunReport(golden, run.name(), checks, notCompared);
  }

  /** Without the steps: a captured tensor comes for every step. */
  private Set<String> captures(GoldenRun run) {
    Set<String> names = new LinkedHashSet<>();
    for (String name : run.outputNames()) {
      for (String capture : format.captures(run, name)) {
        names.add(capture.replaceFirst("/.*", ""));
      }
    }
    return names;
  }

  private Optional<float[]> captured(GoldenRun run, String name, Map<String, Captured> ours) {
    List<Captured> parts = new ArrayList<>();
    for (String capture : format.captures(run, name)) {
      Captured part = ours.get(capture);
      if (part == null) {
        return Optional.empty();
      }
      parts.add(part);
    }
    return Optional.of(format.arrange(run, name, parts));
  }
}
