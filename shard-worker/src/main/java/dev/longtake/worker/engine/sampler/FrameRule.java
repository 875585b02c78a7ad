package dev.longtake.worker.engine.sampler;

/**
 * What happens to a frame that is kept (mask 0), generated (mask 1) or edited (between), step by step. An edited frame joins the
 * sampling late: the clip's own frame, noised as much as the others are by then.
 */
public interface FrameRule {
  /** What happens to a frame with this mask at this step. */
  FrameState at(float mask, int step);

  /** {@code signal * frame + noise * epsilon} is the frame as noisy as latents are before this step. */
  float signal(int step);

  /** See {@link #signal}. */
  float noise(int step);

  /**
   * A frame at one step.
   *
   * @param noised noise is added before the step
   * @param generated the network sees an ordinary frame; else one at t = 0
   * @param updated the step changes the frame
   */
  record FrameState(boolean noised, boolean generated, boolean updated) {}
}
