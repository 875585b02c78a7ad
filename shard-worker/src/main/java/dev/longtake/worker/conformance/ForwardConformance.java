package dev.longtake.worker.conformance;

import dev.longtake.v1.ClipGeometry;
import dev.longtake.v1.ForwardRow;
import dev.longtake.v1.ForwardTask;
import dev.longtake.v1.Precision;
import dev.longtake.v1.RowCondition;
import dev.longtake.v1.WorkOrder;
import dev.longtake.worker.conformance.GoldenRun.Values;
import dev.longtake.worker.order.ProtoTensors;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Runs of a video transformer: one evaluation of the network, its intermediates compared. */
final class ForwardConformance {
  private final Gang gang;
  private final Precision precision;
  private final double tolerance;

  ForwardConformance(Gang gang, Precision precision, double tolerance) {
    this.gang = gang;
    this.precision = precision;
    this.tolerance = tolerance;
  }

  RunReport run(String golden, GoldenRun run) {
    GoldenLayout layout = new GoldenLayout(run);
    List<String> names = run.outputNames();
    Map<String, Captured> ours =
        gang.run(
            WorkOrder.newBuilder()
                .setPrecision(precision)
                .setForward(task(run, names.stream().map(layout::engineName).distinct().toList())));
    List<TensorCheck> checks = new ArrayList<>();
    Map<String, String> notCompared = new TreeMap<>();
    for (String name : names) {
      Captured captured = ours.get(layout.engineName(name));
      if (captured == null) {
        notCompared.put(name, "the engine does not have this tensor");
      } else {
        checks.add(
            TensorCheck.compare(
                name, layout.rearrange(name, captured), layout.reference(name), tolerance));
      }
    }
    return new RunReport(golden, run.name(), checks, notCompared, "");
  }

  private static ForwardTask task(GoldenRun run, List<String> capture) {
    Values x = run.input("x");
    ForwardTask.Builder task =
        ForwardTask.newBuilder()
            .setGeometry(
                ClipGeometry.newBuilder()
                    .setLatentFrames(x.size(2))
                    .setLatentHeight(x.size(3))
                    .setLatentWidth(x.size(4))
                    .setPixelHeight(run.input("height").values()[0])
                    .setPixelWidth(run.input("width").values()[0]))
            .setLatents(ProtoTensors.of(x.floats(), x.shape()))
            .addAllCapture(capture);
    List<RowCondition> texts = GoldenText.rows(run);
    float[] timesteps = run.input("timestep").floats();
    float[] fps = run.input("fps").floats();
    for (int row = 0; row < timesteps.length; row++) {
      task.addRows(
          ForwardRow.newBuilder()
              .setCondition(texts.get(row))
              .setTimestep(timesteps[row])
              .setFps(fps[row]));
    }
    if (run.hasInput("x_mask")) {
      Values mask = run.input("x_mask");
      boolean[] flags = new boolean[mask.values().length];
      for (int i = 0; i < flags.length; i++) {
        flags[i] = mask.values()[i] != 0;
      }
      task.setFrameMask(ProtoTensors.of(flags, mask.shape()));
    }
    return task.build();
  }
}
