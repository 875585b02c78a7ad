package dev.longtake.worker.engine.sampler;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.worker.device.Patching;
import dev.longtake.worker.engine.exec.Geometry;
import java.util.List;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;

/** How fast the deterministic samplers approach the solution of an equation that is known. */
class SamplerOrderTest {
  /** Clips drawn from a normal distribution of this deviation: the best prediction is linear, the solution a root. */
  private static final double DEVIATION = 0.5;

  private static final Geometry ANY =
      new Geometry(1, new Patching(1, 1, 1, 1, 1, 1), 8, 8, 1, 0, 1);

  private static double variance(double signal) {
    return signal * DEVIATION * DEVIATION + 1 - signal;
  }

  /** The table applied to one number, in float64. */
  private static double solve(Sampler sampler, double[] products) {
    List<SamplerStep> plan = sampler.plan(ANY).steps();
    double z = 1;
    double before = 0;
    for (SamplerStep step : plan) {
      double signal = signal(step.timestep(), products);
      double estimate = Math.sqrt(1 - signal) * z / variance(signal);
      if (step.remembers()) {
        estimate = step.estimate().latents() * z + step.estimate().prediction() * estimate;
      }
      z = step.latents() * z + step.prediction() * estimate + step.previous() * before;
      before = estimate;
    }
    return z;
  }

  /** Between timesteps, as DPM-Solver has it. */
  private static double signal(double timestep, double[] products) {
    int below = Math.min((int) timestep, products.length - 2);
    double share = timestep - below;
    return Math.exp(
        Math.log(products[below]) * (1 - share) + Math.log(products[below + 1]) * share);
  }

  /** From the last timestep to the first, z keeps its place in its distribution. */
  private static double exact(double[] products) {
    return Math.sqrt(variance(products[0]) / variance(products[products.length - 1]));
  }

  private static double error(Sampler sampler) {
    double[] products = DiffusionTable.cumulativeProducts(1000);
    return Math.abs(solve(sampler, products) - exact(products));
  }

  @Test
  void shouldHalveTheErrorOfDdimWhenStepsDouble() {
    double coarse = error(new Ddim(51, 1000, Spacing.EVENLY, 0, true));
    double fine = error(new Ddim(101, 1000, Spacing.EVENLY, 0, true));

    assertThat(coarse / fine).isBetween(1.7, 2.3);
  }

  @Test
  void shouldQuarterTheErrorOfDpmSolverWhenStepsDouble() {
    double coarse = error(solver(50));
    double fine = error(solver(100));

    assertThat(coarse / fine).isBetween(3.2, 4.8);
    assertThat(fine).isLessThan(error(new Ddim(101, 1000, Spacing.EVENLY, 0, true)));
  }

  private static DpmSolver solver(int steps) {
    return new DpmSolver(steps, 1000, DpmSolver.Spacing.TIME_UNIFORM, false, false);
  }

  @Test
  void shouldBeDdimWhereDpmSolverIsOfOrderOne() {
    double[] products = DiffusionTable.cumulativeProducts(1000);
    SamplerStep first =
        new DpmSolver(9, 1000, DpmSolver.Spacing.LINSPACE, true, false)
            .plan(ANY)
            .steps()
            .getFirst();
    // 999 and 888, of which DDIM's weights are known.
    double from = products[999];
    double to = products[888];
    double latents = Math.sqrt(to / from);
    double prediction = Math.sqrt(1 - to) - latents * Math.sqrt(1 - from);

    assertThat(first.timestep()).isEqualTo(999f);
    SamplerStep.Estimate estimate = first.estimate();
    assertThat(first.remembers()).isTrue();
    assertThat(first.latents() + first.prediction() * estimate.latents())
        .isCloseTo((float) latents, Offset.offset(1e-5f));
    assertThat(first.prediction() * estimate.prediction())
        .isCloseTo((float) prediction, Offset.offset(1e-5f));
  }

  @Test
  void shouldBeAncestralSamplingWithTheLeastVarianceWhenEtaIsOne() {
    List<SamplerStep> ddim = new Ddim(20, 1000, Spacing.EVENLY, 1, false).plan(ANY).steps();
    List<SamplerStep> ancestral = new Ancestral(20, 1000, false, true).plan(ANY).steps();
    for (int step = 0; step < 20; step++) {
      SamplerStep ours = ddim.get(step);
      SamplerStep theirs = ancestral.get(step);
      assertThat(ours.timestep()).isEqualTo(theirs.timestep());
      assertThat(ours.latents()).isCloseTo(theirs.latents(), Offset.offset(1e-6f));
      assertThat(ours.prediction()).isCloseTo(theirs.prediction(), Offset.offset(1e-6f));
      if (theirs.noise() instanceof StepNoise.Learned learned) {
        float deviation = (float) Math.exp(learned.minLog() / 2.0);
        assertThat(learned.minLog()).isLessThan(learned.maxLog());
        assertThat(ours.noise())
            .isInstanceOfSatisfying(
                StepNoise.Fixed.class,
                fixed -> assertThat(fixed.deviation()).isCloseTo(deviation, Offset.offset(1e-6f)));
      } else {
        assertThat(step).as("the only step without noise").isEqualTo(19);
        assertThat(ours.noise()).isInstanceOf(StepNoise.None.class);
      }
    }
  }
}
