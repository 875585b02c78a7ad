package dev.longtake.worker.measure;

import dev.longtake.v1.ModelProfile;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.engine.exec.Weights;
import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.program.Program;

/**
 * A tiny forward pass that tells whether a device still computes: the model with one block of each kind, on latents that are always the
 * same, so that the result is the same each time, bit for bit. The executor is the one that jobs use.
 */
public final class ForwardCheck {
  private static final MeasuredClip CLIP = new MeasuredClip(2, 2, 2);

  private final Device device;
  private final Program program;

  /** A pass of a model. */
  public ForwardCheck(Device device, ModelDescription model, ModelProfile profile) {
    this.device = device;
    this.program = Program.compile(BlockKinds.firstsOnly(model, profile), 1);
  }

  /** What weights are needed for. */
  public Program program() {
    return program;
  }

  /** What the network predicts; the caller has the turn on the device. */
  public float[] run(Weights weights) {
    try (MeasuredRun run = new MeasuredRun(device, program, weights, CLIP)) {
      return run.output();
    }
  }
}
