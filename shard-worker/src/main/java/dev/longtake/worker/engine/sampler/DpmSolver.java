package dev.longtake.worker.engine.sampler;

import dev.longtake.worker.engine.exec.Geometry;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * DPM-Solver++(2M), the multistep solver of order 2 (Lu et al., arXiv 2211.01095, algorithm 2). The network predicts the noise. The
 * first step is of order 1, there being no step before it.
 *
 * @param timesteps of the training
 * @param firstOrderEnd whether the last step is of order 1
 * @param noisyEnd with linspace, whether it ends at the first timestep instead of the clip; then the last step can be of order 2
 */
public record DpmSolver(
    int steps, int timesteps, Spacing spacing, boolean firstOrderEnd, boolean noisyEnd)
    implements Sampler {
  /** Where the steps are. */
  public enum Spacing {
    /** Equally far apart in continuous time, 1 to 1 / timesteps, in the authors' implementation, as PixArt uses it. */
    TIME_UNIFORM,
    /** Equally far apart and rounded to timesteps: diffusers. */
    LINSPACE
  }

  /** A moment: what the network is told of it, and {@code z = alpha * clip + sigma * noise}. */
  private record Moment(float timestep, double alpha, double sigma) {
    static Moment of(float timestep, double logAlpha) {
      return new Moment(
          timestep, StrictMath.exp(logAlpha), Math.sqrt(-StrictMath.expm1(2 * logAlpha)));
    }

    /** Half the logarithm of the signal-to-noise ratio. */
    double lambda() {
      return StrictMath.log(alpha / sigma);
    }
  }

  @Override
  public SamplingPlan plan(Geometry geometry) {
    List<Moment> moments = moments();
    List<SamplerStep> plan = new ArrayList<>();
    for (int step = 0; step < steps; step++) {
      plan.add(
          step(
              moments.get(step),
              moments.get(step + 1),
              step == 0 || endsFirstOrder(step) ? null : moments.get(step - 1)));
    }
    return new SamplingPlan(plan, null);
  }

  private boolean endsFirstOrder(int step) {
    return step == steps - 1 && firstOrderEnd;
  }

  /** {@code z' = s'/s z - a' (e^-h - 1) (e + (e - e_before) / (2 r))} with r the ratio of the last two steps in lambda. */
  private static SamplerStep step(Moment from, Moment to, @Nullable Moment before) {
    // Without noise at the end, its lambda is infinite and this is 1.
    double towards = -to.alpha() * StrictMath.expm1(from.lambda() - to.lambda());
    double slope = 0;
    if (before != null) {
      double ratio = (from.lambda() - before.lambda()) / (to.lambda() - from.lambda());
      slope = towards / (2 * ratio);
    }
    return new SamplerStep(
        from.timestep(),
        new SamplerStep.Estimate(1 / from.alpha(), -from.sigma() / from.alpha()),
        /* remembers= */ true,
        (float) (to.sigma() / from.sigma()),
        (float) (towards + slope),
        (float) -slope,
        StepNoise.NONE);
  }

  /** Start and end of every step. */
  private List<Moment> moments() {
    double[] products = DiffusionTable.cumulativeProducts(timesteps);
    List<Moment> moments = new ArrayList<>();
    for (int i = 0; i <= steps; i++) {
      moments.add(
          switch (spacing) {
            case TIME_UNIFORM -> continuous(i, products);
            case LINSPACE -> discrete(i, products);
          });
    }
    return moments;
  }

  /** Times in float32, because the network sees them: {@code (t - 1 / timesteps) * 1000}. */
  private Moment continuous(int i, double[] products) {
    double end = 1.0 / timesteps;
    float t = (float) (1 + (end - 1) * i / steps);
    return Moment.of((t - (float) end) * 1000, logAlpha(t, products));
  }

  /** Linear between the timesteps, timestep i being at time (i + 1) / timesteps. */
  private static double logAlpha(double t, double[] products) {
    double place = t * products.length - 1;
    int below = Math.clamp((int) Math.floor(place), 0, products.length - 2);
    double first = StrictMath.log(products[below]) / 2;
    double second = StrictMath.log(products[below + 1]) / 2;
    return first + (place - below) * (second - first);
  }

  private Moment discrete(int i, double[] products) {
    if (i == steps && !noisyEnd) {
      return new Moment(0, 1, 0);
    }
    int timestep = (int) Math.rint((timesteps - 1) * (double) (steps - i) / steps);
    return Moment.of(timestep, StrictMath.log(products[timestep]) / 2);
  }
}
