package dev.longtake.worker.engine.sampler;

import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.DeviceBuffer;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.engine.exec.Floats;
import dev.longtake.worker.engine.exec.Geometry;
import dev.longtake.worker.engine.exec.StepInput;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * What the network is told in each step beside the latents: timesteps, frames treated as t = 0, reference latents. It follows from
 * the sampler's table alone, so every stage of a job knows it. Owns the reference latents.
 */
public final class StepConditions implements AutoCloseable {
  private final Geometry geometry;
  private final SamplingInput input;
  private final SamplingPlan plan;
  private final @Nullable DeviceBuffer buffer;
  private final @Nullable Matrix reference;

  /** Uploads this rank's part of the reference latents, where there are some. */
  public StepConditions(Device device, Geometry geometry, SamplingInput input) {
    this.geometry = geometry;
    this.input = input;
    plan = input.sampler().plan(geometry);
    float[] ofSamples = input.reference();
    if (ofSamples == null) {
      buffer = null;
      reference = null;
      return;
    }
    int channels = ofSamples.length / (input.samples() * clipValues());
    ClipRows rows = new ClipRows(geometry, geometry.branches(), channels);
    buffer = rows.allocate(device);
    try {
      reference = rows.in(buffer);
      Floats.upload(device, rows.localPart(ofBranches(ofSamples), /* index= */ 0), reference);
    } catch (Throwable e) {
      buffer.close();
      throw e;
    }
  }

  private int clipValues() {
    var patching = geometry.patching();
    return patching.frames() * patching.height() * patching.width();
  }

  /** The samples' mask and reference latents for every branch that sees them, zeros for the others. */
  private float[] ofBranches(float[] ofSamples) {
    float[] ofBranches = new float[ofSamples.length * input.guidance().branches()];
    for (int group = 0; group < input.guidance().branchesWithReference(); group++) {
      System.arraycopy(ofSamples, 0, ofBranches, group * ofSamples.length, ofSamples.length);
    }
    return ofBranches;
  }

  public SamplingPlan plan() {
    return plan;
  }

  /** Of all branches: [branch * (1 + channels) * frames, height * width]; null for none. */
  @Nullable Matrix reference() {
    return reference;
  }

  /** The states of the frames in a step; null where all are generated. */
  @Nullable ClipFrames frames(int step) {
    float[] mask = input.frameMask();
    FrameRule rule = plan.frames();
    return mask == null || rule == null
        ? null
        : ClipFrames.at(step, rule, mask, geometry.patching().frames());
  }

  /**
   * Everything that all rows of the batch are told.
   *
   * @param step from 0
   */
  public StepInput input(int step, @Nullable Matrix latents) {
    float[] timesteps = new float[geometry.branches()];
    Arrays.fill(timesteps, plan.steps().get(step).timestep());
    ClipFrames frames = frames(step);
    return new StepInput(
        latents,
        timesteps,
        reference,
        frames == null ? null : frames.generated(geometry),
        input.reuse().at(step));
  }

  @Override
  public void close() {
    if (buffer != null) {
      buffer.close();
    }
  }
}
