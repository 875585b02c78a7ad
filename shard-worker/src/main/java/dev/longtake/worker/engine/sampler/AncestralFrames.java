package dev.longtake.worker.engine.sampler;

/**
 * Frames under a mask in Open-Sora 1.1 ({@code opensora/schedulers/iddpm}): a frame joins where the index that counts the steps
 * down to 0 reaches {@code limit = (int) (mask * steps)}. At that step it gets noise and is updated already, though the network
 * still sees it at t = 0. Frames with mask 0 join at the last step.
 *
 * @param table of the kept timesteps
 */
record AncestralFrames(DiffusionTable table) implements FrameRule {
  @Override
  public FrameState at(float mask, int step) {
    int index = table.index(step);
    int limit = (int) (mask * table.steps());
    return new FrameState(limit == index, limit > index, limit >= index);
  }

  @Override
  public float signal(int step) {
    return (float) Math.sqrt(table.alphasCumprod(table.index(step)));
  }

  @Override
  public float noise(int step) {
    return (float) Math.sqrt(1 - table.alphasCumprod(table.index(step)));
  }
}
