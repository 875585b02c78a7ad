package dev.longtake.worker.conformance;

import static dev.longtake.worker.conformance.PrimitiveConformance.check;

import dev.longtake.common.tensor.DType;
import dev.longtake.worker.conformance.GoldenRun.Values;
import dev.longtake.worker.conformance.PrimitiveConformance.Comparison;
import dev.longtake.worker.conformance.PrimitiveConformance.Primitive;
import dev.longtake.worker.device.Activation;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.device.PackedLinear;
import dev.longtake.worker.device.PatchOrder;
import dev.longtake.worker.device.Patching;
import dev.longtake.worker.engine.exec.Floats;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Map;

/** Latents to patches and back. */
final class PatchPrimitives {
  private final Device device;
  private final double tolerance;

  PatchPrimitives(Device device, double tolerance) {
    this.device = device;
    this.tolerance = tolerance;
  }

  Map<String, Primitive> functions() {
    return Map.of(
        "patch_embed_3d",
        run -> Comparison.of(run, patchEmbedding(run), tolerance),
        "video2col",
        this::patchOrder);
  }

  private float[] patchEmbedding(GoldenRun run) {
    Values x = run.input("x");
    Values weight = run.input("weight");
    int clips = x.size(0);
    int channels = x.size(1);
    int outputs = weight.size(0);
    Patching patching =
        new Patching(
            x.size(2), x.size(3), x.size(4), weight.size(2), weight.size(3), weight.size(4));
    int tokens = patching.gridFrames() * patching.patchesPerFrame();
    int inputs = channels * patching.patchVolume();
    int latentRows = channels * patching.frames();
    try (Arena arena = Arena.ofConfined();
        PrimitiveMemory memory = new PrimitiveMemory(device);
        PackedLinear layer =
            device.pack(
                segment(arena, weight.floats()),
                segment(arena, run.input("bias").floats()),
                outputs,
                inputs,
                DType.F32)) {
      Matrix latents = memory.upload(x.floats(), patching.height() * patching.width());
      Matrix patches = memory.matrix(clips * tokens, inputs);
      for (int clip = 0; clip < clips; clip++) {
        device.patchify(
            latents.rows(clip * latentRows, (clip + 1) * latentRows),
            patches.rows(clip * tokens, (clip + 1) * tokens),
            channels,
            patching);
      }
      Matrix result = memory.matrix(clips * tokens, outputs);
      device.linear(layer, patches, result, Activation.NONE);
      return Floats.download(device, result);
    }
  }

  private static MemorySegment segment(Arena arena, float[] values) {
    return arena.allocateFrom(ValueLayout.JAVA_FLOAT, values);
  }

  /**
   * The order of March 2024, there and back. The reference drops incomplete patches; the engine is given complete ones only, so the
   * pixels beyond them are left out here.
   */
  private Comparison patchOrder(GoldenRun run) {
    Values out = run.output("out");
    int channels = out.size(1);
    int side = out.size(2);
    Values x = run.input("x");
    Patching patching =
        new Patching(x.size(0), x.size(2) / side * side, x.size(3) / side * side, 1, side, side);
    float[] complete = complete(x, channels, patching);
    try (PrimitiveMemory memory = new PrimitiveMemory(device)) {
      Matrix latents = memory.upload(complete, patching.height() * patching.width());
      Matrix patches = memory.matrix(out.size(0), channels * patching.patchVolume());
      device.patchify(latents, patches, channels, patching);
      Matrix back = memory.matrix(latents.rows(), latents.columns());
      device.unpatchify(patches, back, channels, patching, PatchOrder.CHANNEL_FIRST);
      double[] expected = new double[complete.length];
      for (int i = 0; i < expected.length; i++) {
        expected[i] = complete[i];
      }
      // Values are only moved, so they are the same.
      return Comparison.of(
          List.of(
              check(run, "out", Floats.download(device, patches), 0),
              TensorCheck.compare("out, put back", Floats.download(device, back), expected, 0)));
    }
  }

  /** Frames [frame, channel, row, column] to latents [channel, frame, row, column], cut to complete patches. */
  private static float[] complete(Values x, int channels, Patching patching) {
    float[] frames = x.floats();
    int rows = x.size(2);
    int columns = x.size(3);
    float[] latents =
        new float[channels * patching.frames() * patching.height() * patching.width()];
    int at = 0;
    for (int channel = 0; channel < channels; channel++) {
      for (int frame = 0; frame < patching.frames(); frame++) {
        for (int row = 0; row < patching.height(); row++) {
          int from = ((frame * channels + channel) * rows + row) * columns;
          System.arraycopy(frames, from, latents, at, patching.width());
          at += patching.width();
        }
      }
    }
    return latents;
  }
}
