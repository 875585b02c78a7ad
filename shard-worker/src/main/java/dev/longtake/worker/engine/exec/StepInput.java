package dev.longtake.worker.engine.exec;

import dev.longtake.common.partition.Range;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.engine.reuse.StepReuse;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * What changes from step to step.
 *
 * @param latents this rank's, rows {@code [sample, channel, frame]}, columns {@code [height * width]}, F32; null for stages that
 *     get tokens instead
 * @param timesteps one per branch
 * @param reference for models that see reference latents: [branch * (1 + channels) * frame, height * width], in each branch
 *     first the mask; null: none are given, which the model sees as zeros
 * @param generated per branch and token frame of the whole clip; false: the frame is treated as t = 0. Null: all true
 * @param reuse what is taken over from earlier steps
 */
public record StepInput(
    @Nullable Matrix latents,
    float[] timesteps,
    @Nullable Matrix reference,
    boolean @Nullable [][] generated,
    StepReuse reuse) {

  /** A step that is computed whole. */
  public StepInput(
      @Nullable Matrix latents,
      float[] timesteps,
      @Nullable Matrix reference,
      boolean @Nullable [][] generated) {
    this(latents, timesteps, reference, generated, StepReuse.NONE);
  }

  /** The same for some of the branches only. */
  public StepInput ofBranches(Range branches) {
    Matrix part = null;
    if (reference != null) {
      int rows = reference.rows() / timesteps.length;
      part = reference.rows(branches.start() * rows, branches.end() * rows);
    }
    return new StepInput(
        latents,
        Arrays.copyOfRange(timesteps, branches.start(), branches.end()),
        part,
        generated == null ? null : Arrays.copyOfRange(generated, branches.start(), branches.end()),
        reuse);
  }
}
