package dev.longtake.worker.engine.sampler;

import java.util.function.DoubleUnaryOperator;

/**
 * The noise of a diffusion process (Ho et al., "Denoising diffusion probabilistic models", arXiv 2006.11239) with betas that rise
 * linearly from 1e-4 to 0.02 over 1000 timesteps, respaced to fewer steps (Nichol and Dhariwal, "Improved DDPM", arXiv
 * 2102.09672): the new betas keep the cumulative products of {@code 1 - beta} at the kept timesteps. Index 0 is the step nearest to
 * the clip.
 */
public final class DiffusionTable {
  private static final double FIRST_BETA = 1e-4;
  private static final double LAST_BETA = 0.02;
  private static final double USUAL_TIMESTEPS = 1000;

  private final int[] timesteps;
  private final DoubleUnaryOperator round;
  private final double[] betas;
  private final double[] alphasCumprod;

  /**
   * A table of some timesteps.
   *
   * @param trained timesteps of the training
   * @param timesteps the kept ones, ascending
   * @param float32 rounds the respaced betas and all that is made of them to float32, operation by operation
   */
  public DiffusionTable(int trained, int[] timesteps, boolean float32) {
    this.timesteps = timesteps.clone();
    this.round = float32 ? value -> (float) value : DoubleUnaryOperator.identity();
    double[] all = cumulativeProducts(trained);
    betas = new double[timesteps.length];
    alphasCumprod = new double[timesteps.length];
    double last = 1;
    double product = 1;
    for (int i = 0; i < timesteps.length; i++) {
      double alpha = all[timesteps[i]];
      betas[i] = round(1 - alpha / last);
      last = alpha;
      // Summed up in float64 also where each result is rounded.
      product *= round(1 - betas[i]);
      alphasCumprod[i] = round(product);
    }
  }

  /** Products of {@code 1 - beta} over all timesteps of the training. */
  static double[] cumulativeProducts(int trained) {
    double scale = USUAL_TIMESTEPS / trained;
    double first = scale * FIRST_BETA;
    double rise = (scale * LAST_BETA - first) / (trained - 1);
    double[] products = new double[trained];
    double product = 1;
    for (int i = 0; i < trained; i++) {
      product *= 1 - (first + i * rise);
      products[i] = product;
    }
    return products;
  }

  private double round(double value) {
    return round.applyAsDouble(value);
  }

  private double sqrt(double value) {
    return round(Math.sqrt(value));
  }

  /** How many timesteps are kept. */
  public int steps() {
    return timesteps.length;
  }

  /** The index of a sampler's step: samplers go down to 0. */
  public int index(int step) {
    return timesteps.length - 1 - step;
  }

  /** The training's timestep. */
  public int timestep(int index) {
    return timesteps[index];
  }

  /** The respaced beta. */
  public double beta(int index) {
    return betas[index];
  }

  /** How much of the clip's variance is left. */
  public double alphasCumprod(int index) {
    return alphasCumprod[index];
  }

  /** That of the step nearer to the clip; 1 for the clip itself. */
  public double alphasCumprodPrevious(int index) {
    return index == 0 ? 1 : alphasCumprod[index - 1];
  }

  /** The factor of the latents in {@code clip = sqrt(1 / a) * z - sqrt(1 / a - 1) * noise}. */
  public double sqrtRecipAlphasCumprod(int index) {
    return sqrt(round(1 / alphasCumprod[index]));
  }

  /** The factor of the noise in it. */
  public double sqrtRecipm1AlphasCumprod(int index) {
    return sqrt(round(round(1 / alphasCumprod[index]) - 1));
  }

  /** The clip that latents and predicted noise imply. */
  SamplerStep.Estimate clip(int index) {
    return new SamplerStep.Estimate(
        sqrtRecipAlphasCumprod(index), -sqrtRecipm1AlphasCumprod(index));
  }

  /** The clip's weight in the posterior mean (equation 7 of DDPM). */
  public double posteriorMeanCoef1(int index) {
    double weighted = round(betas[index] * sqrt(alphasCumprodPrevious(index)));
    return round(weighted / round(1 - alphasCumprod[index]));
  }

  /** The latents' weight in it. */
  public double posteriorMeanCoef2(int index) {
    double weighted =
        round(round(1 - alphasCumprodPrevious(index)) * sqrt(round(1 - betas[index])));
    return round(weighted / round(1 - alphasCumprod[index]));
  }

  /** Logarithm of the posterior variance; where that is 0, of the next one. Needs two steps. */
  public double posteriorLogVarianceClipped(int index) {
    int at = Math.max(index, 1);
    double weighted = round(betas[at] * round(1 - alphasCumprodPrevious(at)));
    return round(StrictMath.log(round(weighted / round(1 - alphasCumprod[at]))));
  }
}
