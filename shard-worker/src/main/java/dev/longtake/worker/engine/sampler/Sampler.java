package dev.longtake.worker.engine.sampler;

import dev.longtake.worker.engine.exec.Geometry;

/**
 * A way from noise to a clip. Every one of them moves the latents by a weighted sum whose weights do not depend on the latents, so a
 * sampler is a table of weights, and one loop runs them all.
 */
public sealed interface Sampler permits RectifiedFlow, GuidedFlow, Ancestral, Ddim, DpmSolver {
  /** Evaluations of the network, at least 1. */
  int steps();

  /**
   * The table.
   *
   * @param geometry of the whole clip: some schedules depend on its size
   */
  SamplingPlan plan(Geometry geometry);
}
