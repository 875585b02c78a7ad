package dev.longtake.worker.conformance;

import dev.longtake.common.tensor.DType;
import dev.longtake.worker.conformance.GoldenRun.Values;
import dev.longtake.worker.device.Activation;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.DeviceBuffer;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.device.PackedLinear;
import dev.longtake.worker.device.Pairing;
import dev.longtake.worker.device.Patching;
import dev.longtake.worker.device.Rotation;
import dev.longtake.worker.device.RowVectors;
import dev.longtake.worker.engine.exec.Floats;
import dev.longtake.worker.engine.exec.Tables;
import dev.longtake.worker.engine.sampler.RectifiedFlow;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/** Single functions, run by the device's kernels and the engine's tables. */
final class PrimitiveConformance {
  /** Computed in float32 in the reference's order, it comes this close. */
  private static final double TRANSFORM_TOLERANCE = 5e-6;

  private static final float QK_EPSILON = 1e-6f;

  private final Device device;
  private final double tolerance;

  PrimitiveConformance(Device device, double tolerance) {
    this.device = device;
    this.tolerance = tolerance;
  }

  RunReport run(String golden, GoldenRun run) {
    String function = run.name().replaceFirst("\\..*", "");
    return switch (function) {
      case "layer_norm" -> layerNorm(golden, run);
      case "rms_norm" -> report(golden, run, "out", rmsNorm(run), tolerance);
      case "activations" -> activations(golden, run);
      case "timestep_table" -> timestepTable(golden, run);
      case "pos_embed_2d" -> report(golden, run, "out", positions(run), tolerance);
      case "rope_interleaved" -> rotation(golden, run);
      case "patch_embed_3d" -> report(golden, run, "out", patchEmbedding(run), tolerance);
      case "timestep_transform" ->
          report(golden, run, "out", timestepTransform(run), TRANSFORM_TOLERANCE);
      default ->
          RunReport.later(golden, run.name(), "belongs to a model or sampler that comes later");
    };
  }

  private static RunReport report(
      String golden, GoldenRun run, String output, float[] ours, double tolerance) {
    return new RunReport(
        golden,
        run.name(),
        List.of(TensorCheck.compare(output, ours, run.output(output).values(), tolerance)),
        Map.of(),
        "");
  }

  private RunReport layerNorm(String golden, GoldenRun run) {
    Values x = run.input("x");
    int rows = x.size(0);
    int columns = x.size(1);
    List<TensorCheck> checks = new ArrayList<>();
    for (float epsilon : new float[] {1e-5f, 1e-6f}) {
      String output = epsilon == 1e-5f ? "eps_1e-5" : "eps_1e-6";
      try (DeviceBuffer zeros = device.memory().allocate(4L * columns, "conformance");
          DeviceBuffer buffer = device.memory().allocate(4L * rows * columns, "conformance")) {
        Matrix matrix = Matrix.dense(buffer, rows, columns, DType.F32);
        Floats.upload(device, x.floats(), matrix);
        RowVectors zero =
            new RowVectors(Matrix.dense(zeros, 1, columns, DType.F32), new int[] {0}, rows);
        device.modulate(matrix, matrix, zero, zero, epsilon);
        checks.add(
            TensorCheck.compare(
                output, Floats.download(device, matrix), run.output(output).values(), tolerance));
      }
    }
    return new RunReport(golden, run.name(), checks, Map.of(), "");
  }

  private float[] rmsNorm(GoldenRun run) {
    Values x = run.input("x");
    try (DeviceBuffer weights = device.memory().allocate(4L * x.size(1), "conformance");
        DeviceBuffer buffer = device.memory().allocate(4L * x.values().length, "conformance")) {
      Matrix weight = Matrix.dense(weights, 1, x.size(1), DType.F32);
      Floats.upload(device, run.input("weight").floats(), weight);
      Matrix matrix = Matrix.dense(buffer, x.size(0), x.size(1), DType.F32);
      Floats.upload(device, x.floats(), matrix);
      device.normRotate(matrix, 1, weight, QK_EPSILON, null);
      return Floats.download(device, matrix);
    }
  }

  private RunReport activations(String golden, GoldenRun run) {
    List<TensorCheck> checks = new ArrayList<>();
    Map<String, Activation> functions =
        Map.of("gelu_tanh", Activation.GELU_TANH, "silu", Activation.SILU);
    Values x = run.input("x");
    for (String output : run.outputNames()) {
      Activation function = functions.get(output);
      if (function == null) {
        continue;
      }
      try (DeviceBuffer buffer = device.memory().allocate(4L * x.values().length, "conformance")) {
        Matrix matrix = Matrix.dense(buffer, 1, x.values().length, DType.F32);
        Floats.upload(device, x.floats(), matrix);
        device.activate(matrix, matrix, function);
        checks.add(
            TensorCheck.compare(
                output, Floats.download(device, matrix), run.output(output).values(), tolerance));
      }
    }
    return new RunReport(golden, run.name(), checks, Map.of(), "");
  }

  /**
   * Row by row, because what float32 allows grows with t: half a unit in the last place of a frequency, 3e-8, moves the angle by
   * t times that. The reference's documentation gives 3e-5 near t = 1000 and 1.2e-4 at t = 4000; beyond, the tolerance is
   * our continuation of that line. Three of 128 frequencies differ from the reference by one such unit.
   */
  private RunReport timestepTable(String golden, GoldenRun run) {
    Values reference = run.output("float32");
    float[] timesteps = run.input("t").floats();
    int columns = reference.size(1);
    float[] ours = Tables.sinusoids(timesteps, columns);
    List<TensorCheck> checks = new ArrayList<>();
    for (int row = 0; row < timesteps.length; row++) {
      int from = row * columns;
      checks.add(
          TensorCheck.compare(
              "float32, t = " + timesteps[row],
              Arrays.copyOfRange(ours, from, from + columns),
              Arrays.copyOfRange(reference.values(), from, from + columns),
              tolerance * Math.max(1, timesteps[row] / 1000)));
    }
    return new RunReport(
        golden,
        run.name(),
        checks,
        Map.of("float64", "the engine computes this table in float32, as the models do"),
        "");
  }

  private static float[] positions(GoldenRun run) {
    double[] size = run.input("h_w_scale_base").values();
    int channels = run.output("out").size(2);
    return Tables.positions((int) size[0], (int) size[1], channels, size[2], size[3]);
  }

  private RunReport rotation(String golden, GoldenRun run) {
    Values x = run.input("x");
    int sequences = x.size(0) * x.size(1);
    int positions = x.size(2);
    int width = x.size(3);
    float[] frequencies = run.output("freqs").floats();
    long tableBytes = 4L * positions * frequencies.length;
    try (DeviceBuffer cosines = device.memory().allocate(tableBytes, "conformance");
        DeviceBuffer sines = device.memory().allocate(tableBytes, "conformance");
        DeviceBuffer buffer = device.memory().allocate(4L * x.values().length, "conformance")) {
      Matrix cosine = Matrix.dense(cosines, positions, frequencies.length, DType.F32);
      Matrix sine = Matrix.dense(sines, positions, frequencies.length, DType.F32);
      Floats.upload(
          device, Tables.of(Tables.frameAngles(positions, frequencies), StrictMath::cos), cosine);
      Floats.upload(
          device, Tables.of(Tables.frameAngles(positions, frequencies), StrictMath::sin), sine);
      Matrix matrix = Matrix.dense(buffer, sequences * positions, width, DType.F32);
      Floats.upload(device, x.floats(), matrix);
      device.normRotate(
          matrix, 1, null, QK_EPSILON, new Rotation(cosine, sine, 1, Pairing.ADJACENT));
      TensorCheck check =
          TensorCheck.compare(
              "out", Floats.download(device, matrix), run.output("out").values(), tolerance);
      return new RunReport(
          golden,
          run.name(),
          List.of(check),
          Map.of("freqs", "the engine reads the frequencies from the checkpoint"),
          "");
    }
  }

  private float[] patchEmbedding(GoldenRun run) {
    Values x = run.input("x");
    Values weight = run.input("weight");
    int channels = x.size(1);
    int outputs = weight.size(0);
    Patching patching =
        new Patching(
            x.size(2), x.size(3), x.size(4), weight.size(2), weight.size(3), weight.size(4));
    int tokens = patching.gridFrames() * patching.patchesPerFrame();
    int inputs = channels * patching.patchVolume();
    int latentRows = channels * patching.frames();
    try (Arena arena = Arena.ofConfined();
        PackedLinear layer =
            device.pack(
                segment(arena, weight.floats()),
                segment(arena, run.input("bias").floats()),
                outputs,
                inputs,
                DType.F32);
        DeviceBuffer latents = device.memory().allocate(4L * x.values().length, "conformance");
        DeviceBuffer patches =
            device.memory().allocate(4L * x.size(0) * tokens * inputs, "conformance");
        DeviceBuffer out =
            device.memory().allocate(4L * x.size(0) * tokens * outputs, "conformance")) {
      Matrix all =
          Matrix.dense(
              latents, x.size(0) * latentRows, patching.height() * patching.width(), DType.F32);
      Floats.upload(device, x.floats(), all);
      Matrix in = Matrix.dense(patches, x.size(0) * tokens, inputs, DType.F32);
      for (int row = 0; row < x.size(0); row++) {
        device.patchify(
            all.rows(row * latentRows, (row + 1) * latentRows),
            in.rows(row * tokens, (row + 1) * tokens),
            channels,
            patching);
      }
      Matrix result = Matrix.dense(out, x.size(0) * tokens, outputs, DType.F32);
      device.linear(layer, in, result, Activation.NONE);
      return Floats.download(device, result);
    }
  }

  private static MemorySegment segment(Arena arena, float[] values) {
    return arena.allocateFrom(ValueLayout.JAVA_FLOAT, values);
  }

  private static float[] timestepTransform(GoldenRun run) {
    double[] sizes = run.input("height_width_frames").values();
    float[] timesteps = run.input("t").floats();
    int settings = sizes.length / 3;
    float[] all = new float[settings * timesteps.length];
    for (int i = 0; i < all.length; i++) {
      int setting = i / timesteps.length;
      all[i] =
          RectifiedFlow.transformed(
              timesteps[i % timesteps.length],
              1000,
              sizes[3 * setting],
              sizes[3 * setting + 1],
              (int) sizes[3 * setting + 2]);
    }
    return all;
  }
}
