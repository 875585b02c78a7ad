package dev.longtake.worker.engine.sampler;

/**
 * Frames under a mask in Open-Sora 1.2 ({@code opensora/schedulers/rf}): a frame is active where {@code timesteps * mask >= t}. It
 * gets noise at its first active step, unless its mask is exactly 1 and that is the first step: then it started as noise.
 *
 * @param schedule t of each step
 * @param timesteps the t of pure noise
 */
record FlowFrames(float[] schedule, int timesteps) implements FrameRule {
  @Override
  public FrameState at(float mask, int step) {
    boolean active = active(mask, step);
    boolean noisyBefore = step == 0 ? mask == 1 : active(mask, step - 1);
    return new FrameState(active && !noisyBefore, active, active);
  }

  private boolean active(float mask, int step) {
    return mask * timesteps >= schedule[step];
  }

  @Override
  public float signal(int step) {
    return 1 - noise(step);
  }

  @Override
  public float noise(int step) {
    return schedule[step] / timesteps;
  }
}
