package dev.longtake.worker.engine.sampler;

import dev.longtake.common.stepcache.StepCacheMode;
import dev.longtake.worker.engine.exec.Geometry;
import dev.longtake.worker.engine.reuse.ReuseSchedule;

/**
 * A way from noise to a clip. Every one of them moves the latents by a weighted sum whose weights do not depend on the latents, so a
 * sampler is a table of weights, and one loop runs them all.
 */
public sealed interface Sampler permits RectifiedFlow, GuidedFlow, Ancestral, Ddim, DpmSolver {
  /** Of the timestep of pure noise, in which windows of step caches are given. */
  double THOUSANDTHS = 1000;

  /** Evaluations of the network, at least 1. */
  int steps();

  /** What the network is told of pure noise. */
  int timesteps();

  /** What each step of a clip takes over of earlier ones; it goes by the steps' timesteps. */
  default ReuseSchedule reuse(StepCacheMode mode, Geometry geometry) {
    return new ReuseSchedule(
        mode,
        plan(geometry).steps().stream()
            .map(step -> THOUSANDTHS * step.timestep() / timesteps())
            .toList());
  }

  /**
   * The table.
   *
   * @param geometry of the whole clip: some schedules depend on its size
   */
  SamplingPlan plan(Geometry geometry);
}
