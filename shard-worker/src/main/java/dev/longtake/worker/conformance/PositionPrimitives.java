package dev.longtake.worker.conformance;

import static dev.longtake.worker.conformance.PrimitiveConformance.check;

import dev.longtake.worker.conformance.GoldenRun.Values;
import dev.longtake.worker.conformance.PrimitiveConformance.Comparison;
import dev.longtake.worker.conformance.PrimitiveConformance.Primitive;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.device.Pairing;
import dev.longtake.worker.device.Rotation;
import dev.longtake.worker.engine.exec.Floats;
import dev.longtake.worker.engine.exec.Tables;
import dev.longtake.worker.engine.model.Rotary;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/** Sinusoid tables of timesteps and positions, and rotations. */
final class PositionPrimitives {
  private static final double THETA = 10_000;

  private final Device device;
  private final double tolerance;

  PositionPrimitives(Device device, double tolerance) {
    this.device = device;
    this.tolerance = tolerance;
  }

  Map<String, Primitive> functions() {
    return Map.of(
        "timestep_table",
        this::timestepTable,
        "pos_embed_2d",
        run -> Comparison.of(run, grid(run), tolerance),
        "pos_embed_2d_v10",
        run -> Comparison.of(run, grid(run), tolerance),
        "pos_embed_1d",
        run -> Comparison.of(run, frames(run), tolerance),
        "rope_interleaved",
        this::frameRotation,
        "rope_3axis",
        this::axesRotation);
  }

  /**
   * Row by row, because what float32 allows grows with t: half a unit in the last place of a frequency, 3e-8, moves the angle by
   * t times that. The reference's documentation gives 3e-5 near t = 1000 and 1.2e-4 at t = 4000; beyond, the tolerance is
   * our continuation of that line. Three of 128 frequencies differ from the reference by one such unit.
   */
  private Comparison timestepTable(GoldenRun run) {
    Values reference = run.output("float32");
    float[] timesteps = run.input("t").floats();
    int columns = reference.size(1);
    float[] ours = Tables.sinusoids(timesteps, columns, /* lastFrequencyReached= */ false);
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
    return new Comparison(
        checks, Map.of("float64", "the engine computes this table in float32, as the models do"));
  }

  private static float[] grid(GoldenRun run) {
    double[] size = run.input("h_w_scale_base").values();
    List<Long> shape = run.output("out").shape();
    int channels = Math.toIntExact(shape.getLast());
    return Tables.positions((int) size[0], (int) size[1], channels, size[2], size[3]);
  }

  private static float[] frames(GoldenRun run) {
    double[] size = run.input("length_scale").values();
    return Tables.framePositions((int) size[0], run.output("out").size(1), size[1]);
  }

  private Comparison frameRotation(GoldenRun run) {
    Values x = run.input("x");
    double[] angles = Tables.frameAngles(x.size(2), run.output("freqs").floats());
    return new Comparison(
        List.of(check(run, "out", rotated(x, angles, Pairing.ADJACENT), tolerance)),
        Map.of("freqs", "the engine reads the frequencies from the checkpoint"));
  }

  private Comparison axesRotation(GoldenRun run) {
    return Comparison.of(
        List.of(
            check(
                run,
                "interleaved",
                axesRotated(run, Pairing.ADJACENT, /* exactAngles= */ true),
                tolerance),
            check(
                run,
                "half_split",
                axesRotated(run, Pairing.HALVES, /* exactAngles= */ false),
                tolerance)));
  }

  private float[] axesRotated(GoldenRun run, Pairing pairing, boolean exactAngles) {
    List<Integer> widths = new ArrayList<>();
    for (double width : run.input("axes_dim").values()) {
      widths.add((int) width);
    }
    Values ids = run.input("ids");
    List<int[]> places = new ArrayList<>();
    for (int token = 0; token < ids.size(1); token++) {
      int[] place = new int[widths.size()];
      for (int axis = 0; axis < place.length; axis++) {
        place[axis] = (int) ids.values()[token * place.length + axis];
      }
      places.add(place);
    }
    Rotary.Axes axes = new Rotary.Axes(widths, THETA, pairing, exactAngles);
    return rotated(run.input("x"), Tables.axesAngles(axes, places), pairing);
  }

  /**
   * Turns every head's tokens, each head being rows of its own.
   *
   * @param x [batch, heads, tokens, D]
   * @param angles [tokens, D / 2]
   */
  private float[] rotated(Values x, double[] angles, Pairing pairing) {
    int width = x.size(3);
    try (PrimitiveMemory memory = new PrimitiveMemory(device)) {
      Matrix cosines = memory.upload(Tables.of(angles, StrictMath::cos), width / 2);
      Matrix sines = memory.upload(Tables.of(angles, StrictMath::sin), width / 2);
      Matrix matrix = memory.upload(x.floats(), width);
      Rotation rotation = new Rotation(cosines, sines, 1, pairing);
      device.normRotate(matrix, 1, /* weight= */ null, /* epsilon= */ 0, rotation);
      return Floats.download(device, matrix);
    }
  }
}
