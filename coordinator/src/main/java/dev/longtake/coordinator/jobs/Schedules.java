package dev.longtake.coordinator.jobs;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.v1.Ancestral;
import dev.longtake.v1.Ddim;
import dev.longtake.v1.DpmSolver;
import dev.longtake.v1.GuidedFlow;
import dev.longtake.v1.ModelCard;
import dev.longtake.v1.RectifiedFlow;
import dev.longtake.v1.Sampler;
import dev.longtake.v1.SamplingTask;

/** The schedule of a job: the sampler that the model was made for, with the steps that were asked for. */
final class Schedules {
  /** Of the training of all these models. */
  private static final int TIMESTEPS = 1000;

  /** Below, the authors of DPM-Solver end with a step of order 1. */
  private static final int FEW_STEPS = 10;

  private Schedules() {}

  static SamplingTask.Builder schedule(ModelCard card, int steps) {
    SamplingTask.Builder task = SamplingTask.newBuilder();
    return switch (card.getSampler()) {
      case SAMPLER_UNSPECIFIED, SAMPLER_RECTIFIED_FLOW ->
          task.setRectifiedFlow(
              RectifiedFlow.newBuilder()
                  .setSteps(steps)
                  .setTimesteps(TIMESTEPS)
                  .setDiscrete(false)
                  .setTransform(card.getTimestepTransform()));
      case SAMPLER_GUIDED_FLOW ->
          task.setGuidedFlow(GuidedFlow.newBuilder().setSteps(steps).setShift(true));
      case SAMPLER_ANCESTRAL, SAMPLER_ANCESTRAL_FLOAT32 ->
          task.setAncestral(
              Ancestral.newBuilder()
                  .setSteps(steps)
                  .setTimesteps(TIMESTEPS)
                  .setFloat32Tables(card.getSampler() == Sampler.SAMPLER_ANCESTRAL_FLOAT32));
      case SAMPLER_DDIM ->
          task.setDdim(
              Ddim.newBuilder()
                  .setSteps(steps)
                  .setTimesteps(TIMESTEPS)
                  .setSpacing(Ddim.Spacing.SPACING_LEADING));
      case SAMPLER_DPM_SOLVER ->
          task.setDpmSolver(
              DpmSolver.newBuilder()
                  .setSteps(steps)
                  .setTimesteps(TIMESTEPS)
                  .setSpacing(DpmSolver.Spacing.SPACING_TIME_UNIFORM)
                  .setFirstOrderEnd(steps < FEW_STEPS));
      // Another sampler would give a wrong video.
      case UNRECOGNIZED ->
          throw new LongtakeException(
              ErrorCode.INVALID_MODEL,
              "Expected a sampler that this coordinator knows, but %s was made for number %d; use workers and a coordinator of one version"
                  .formatted(card.getName(), card.getSamplerValue()));
    };
  }
}
