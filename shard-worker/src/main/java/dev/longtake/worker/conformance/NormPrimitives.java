package dev.longtake.worker.conformance;

import static dev.longtake.worker.conformance.PrimitiveConformance.check;

import dev.longtake.worker.conformance.GoldenRun.Values;
import dev.longtake.worker.conformance.PrimitiveConformance.Comparison;
import dev.longtake.worker.conformance.PrimitiveConformance.Primitive;
import dev.longtake.worker.device.Activation;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.device.RowVectors;
import dev.longtake.worker.engine.exec.Floats;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Norms and activations. */
final class NormPrimitives {
  private static final float QK_EPSILON = 1e-6f;

  private final Device device;
  private final double tolerance;

  NormPrimitives(Device device, double tolerance) {
    this.device = device;
    this.tolerance = tolerance;
  }

  Map<String, Primitive> functions() {
    return Map.of(
        "layer_norm", this::layerNorm,
        "rms_norm", run -> Comparison.of(run, rmsNorm(run), tolerance),
        "activations", this::activations);
  }

  private Comparison layerNorm(GoldenRun run) {
    return Comparison.of(
        List.of(
            check(run, "eps_1e-5", layerNorm(run.input("x"), 1e-5f), tolerance),
            check(run, "eps_1e-6", layerNorm(run.input("x"), 1e-6f), tolerance)));
  }

  private float[] layerNorm(Values x, float epsilon) {
    try (PrimitiveMemory memory = new PrimitiveMemory(device)) {
      int columns = x.size(1);
      Matrix matrix = memory.upload(x.floats(), columns);
      RowVectors zero =
          new RowVectors(memory.upload(new float[columns], columns), new int[] {0}, x.size(0));
      device.modulate(matrix, matrix, zero, zero, epsilon);
      return Floats.download(device, matrix);
    }
  }

  private float[] rmsNorm(GoldenRun run) {
    Values x = run.input("x");
    try (PrimitiveMemory memory = new PrimitiveMemory(device)) {
      Matrix weight = memory.upload(run.input("weight").floats(), x.size(1));
      Matrix matrix = memory.upload(x.floats(), x.size(1));
      device.normRotate(matrix, 1, weight, QK_EPSILON, /* rotation= */ null);
      return Floats.download(device, matrix);
    }
  }

  private Comparison activations(GoldenRun run) {
    List<TensorCheck> checks = new ArrayList<>();
    new TreeMap<>(Map.of("gelu_tanh", Activation.GELU_TANH, "silu", Activation.SILU))
        .forEach((output, function) -> {
          float[] ours = activated(run.input("x"), function);
          checks.add(check(run, output, ours, tolerance));
        });
    return Comparison.of(checks);
  }

  private float[] activated(Values x, Activation function) {
    try (PrimitiveMemory memory = new PrimitiveMemory(device)) {
      Matrix matrix = memory.upload(x.floats(), x.values().length);
      device.activate(matrix, matrix, function);
      return Floats.download(device, matrix);
    }
  }
}
