package dev.longtake.worker.engine.sampler;

import dev.longtake.worker.engine.exec.Geometry;
import java.util.ArrayList;
import java.util.List;

/**
 * The rectified flow of Open-Sora 1.2 ({@code opensora/schedulers/rf}): t runs from {@code timesteps} (noise) towards 0 (clip), the
 * network predicts clip minus noise. Computed in float32 like the reference, because t near 1000 is visible in the fifth digit.
 *
 * @param steps of the sampler
 * @param timesteps the t of pure noise, 1000
 * @param discrete rounds each t to an integer, half to even
 * @param transform shifts t towards noise with resolution and length; undefined for 2 to 16 frames
 */
public record RectifiedFlow(int steps, int timesteps, boolean discrete, boolean transform)
    implements Sampler {
  private static final float BASE_PIXELS = 512f * 512f;

  public RectifiedFlow {
    if (steps < 1 || timesteps < 1) {
      throw new IllegalArgumentException(
          "Expected at least one step and one timestep, but got " + steps + ", " + timesteps);
    }
  }

  @Override
  public SamplingPlan plan(Geometry geometry) {
    float[] schedule =
        schedule(geometry.pixelHeight(), geometry.pixelWidth(), geometry.pixelFrames());
    List<SamplerStep> plan = new ArrayList<>();
    for (int step = 0; step < steps; step++) {
      var estimate = new SamplerStep.Estimate(1, schedule[step] / timesteps);
      plan.add(
          SamplerStep.of(schedule[step], estimate, 1, stepSize(schedule, step), StepNoise.NONE));
    }
    return new SamplingPlan(plan, new FlowFrames(schedule, timesteps));
  }

  /**
   * The timestep of each step.
   *
   * @param pixelFrames of the video; only the transform uses the size
   */
  public float[] schedule(double pixelHeight, double pixelWidth, int pixelFrames) {
    float[] schedule = new float[steps];
    for (int i = 0; i < steps; i++) {
      double t = (1.0 - (double) i / steps) * timesteps;
      float value = (float) (discrete ? Math.rint(t) : t);
      schedule[i] =
          transform ? transformed(value, timesteps, pixelHeight, pixelWidth, pixelFrames) : value;
    }
    return schedule;
  }

  /**
   * {@code t' = r t / (1 + (r - 1) t)} with t in [0, 1], {@code r = sqrt(h w / 512^2) * sqrt(n)}, and n = 1 for an image, else
   * {@code floor(frames / 17) * 5}.
   */
  public static float transformed(
      float t, int timesteps, double pixelHeight, double pixelWidth, int pixelFrames) {
    float unit = t / timesteps;
    float pixels = (float) pixelHeight * (float) pixelWidth;
    float space = (float) Math.sqrt(pixels / BASE_PIXELS);
    float latentFrames = pixelFrames == 1 ? 1 : Math.floorDiv(pixelFrames, 17) * 5;
    float ratio = space * (float) Math.sqrt(latentFrames);
    return ratio * unit / (1 + (ratio - 1) * unit) * timesteps;
  }

  /** How far step i moves, in units of the whole way. */
  float stepSize(float[] schedule, int step) {
    float next = step + 1 < schedule.length ? schedule[step + 1] : 0;
    return (schedule[step] - next) / timesteps;
  }
}
