package dev.longtake.worker.conformance;

import dev.longtake.v1.ForwardTask;
import dev.longtake.v1.Precision;
import dev.longtake.v1.WorkOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.ToDoubleFunction;

/** Runs of a transformer: one evaluation of the network, its intermediates compared. */
final class ForwardConformance {
  private final Gang gang;
  private final Precision precision;
  private final ToDoubleFunction<String> tolerance;

  /**
   * @param tolerance by the tensor's name
   */
  ForwardConformance(Gang gang, Precision precision, ToDoubleFunction<String> tolerance) {
    this.gang = gang;
    this.precision = precision;
    this.tolerance = tolerance;
  }

  RunReport run(String golden, GoldenRun run) {
    GoldenFamily family = GoldenFamily.of(run);
    List<String> names = run.outputNames();
    List<String> captures =
        names.stream().flatMap(name -> family.captures(name).stream()).distinct().toList();
    List<Map<String, Captured>> captured = new ArrayList<>();
    for (ForwardTask.Builder task : family.tasks()) {
      captured.add(
          gang.run(
              WorkOrder.newBuilder()
                  .setPrecision(precision)
                  .setForward(task.addAllCapture(captures))));
    }
    List<TensorCheck> checks = new ArrayList<>();
    Map<String, String> notCompared = new TreeMap<>();
    for (String name : names) {
      float[] ours = family.ours(name, captured);
      if (ours == null) {
        notCompared.put(name, "the engine does not have this tensor");
      } else {
        checks.add(
            TensorCheck.compare(name, ours, family.reference(name), tolerance.applyAsDouble(name)));
      }
    }
    return new RunReport(golden, run.name(), checks, notCompared, "");
  }
}
