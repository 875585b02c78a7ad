package dev.longtake.worker.engine.sampler;

import org.jspecify.annotations.Nullable;

/**
 * Classifier-free guidance (Ho and Salimans, arXiv 2207.12598), with a second one towards reference frames as in Open-Sora 2.0. The
 * batch has a group of rows for each branch, one row per sample: first the prompts, then the null conditions, then, with image
 * guidance, the null conditions without reference frames.
 *
 * @param strength of the prompt, 1 being no guidance
 * @param distilled the network was told the strength: there is only the prompts' branch
 * @param guidedChannels how many of the first channels are guided; the others are those of the prompts' branch
 * @param image null for none
 * @param oscillating see {@link #at}
 */
public record Guidance(
    double strength,
    boolean distilled,
    int guidedChannels,
    @Nullable Image image,
    boolean oscillating) {
  /** The first step, counted from 0, that may be without guidance when it oscillates. */
  private static final int FIRST_OSCILLATION = 10;

  /**
   * Guidance towards the reference frames.
   *
   * @param temporalScaling the strength grows from 1 at the first frame to its full value at the last, which itself falls to 1 over
   *     the steps
   */
  public record Image(double strength, boolean oscillating, boolean temporalScaling) {}

  /** Guidance of the prompt over all latent channels. */
  public static Guidance of(double strength) {
    return new Guidance(strength, false, Integer.MAX_VALUE, null, false);
  }

  /** Branches per sample: 1, 2 or 3. */
  public int branches() {
    if (distilled) {
      return 1;
    }
    return image == null ? 2 : 3;
  }

  /** How many of these see the reference frames. */
  int branchesWithReference() {
    return Math.min(branches(), 2);
  }

  /**
   * The weight of each branch in the prediction of one value: {@code n + g (p - n)} of the prompt's p and the null condition's n;
   * with image guidance {@code m + g_image (n - m) + g (p - n)}, m being without reference frames.
   *
   * @param step from 0, of {@code steps}
   * @param frame latent frame of the whole clip, of {@code frames}
   */
  double[] weights(int step, int steps, int channel, int frame, int frames) {
    if (distilled) {
      return new double[] {1};
    }
    double prompt = at(strength, oscillating, step);
    if (image == null) {
      return channel < guidedChannels ? new double[] {prompt, 1 - prompt} : new double[] {1, 0};
    }
    if (channel >= guidedChannels) {
      return new double[] {1, 0, 0};
    }
    double reference = imageStrength(image, step, steps, frame, frames);
    return new double[] {prompt, reference - prompt, 1 - reference};
  }

  private static double imageStrength(Image image, int step, int steps, int frame, int frames) {
    double strength = at(image.strength, image.oscillating, step);
    if (!image.temporalScaling || strength <= 1) {
      return strength;
    }
    double last = strength + (1 - strength) * step / steps;
    return frames == 1 ? 1 : 1 + (last - 1) * frame / (frames - 1);
  }

  /** From step 10 on, odd steps are without guidance. */
  private static double at(double strength, boolean oscillating, int step) {
    return oscillating && step >= FIRST_OSCILLATION && step % 2 == 1 ? 1 : strength;
  }
}
