package dev.longtake.ops.bench;

import dev.longtake.v1.ClipGeometry;
import dev.longtake.v1.Guidance;
import dev.longtake.v1.RectifiedFlow;
import dev.longtake.v1.RowCondition;
import dev.longtake.v1.SamplingTask;
import dev.longtake.v1.Tensor;
import dev.longtake.v1.WorkOrder;
import dev.longtake.worker.order.ProtoTensors;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/** Tasks with random text, for measurements: how long a model takes does not depend on what it is told. */
final class RandomTasks {
  /** Captured by {@link #rectifiedFlow}: the latents after the last step. */
  static final String FINAL = "final";

  private static final int PIXELS = 8;
  private static final int TIMESTEPS = 1000;
  private static final double GUIDANCE = 7;
  private static final double FPS = 24;

  private RandomTasks() {}

  /** A clip of square frames, {@code side} latents along each side. */
  static ClipGeometry clip(int frames, int side) {
    return clip(frames, side, side);
  }

  /** A clip by its latents. */
  static ClipGeometry clip(int frames, int height, int width) {
    return ClipGeometry.newBuilder()
        .setLatentFrames(frames)
        .setLatentHeight(height)
        .setLatentWidth(width)
        .setPixelHeight((double) PIXELS * height)
        .setPixelWidth((double) PIXELS * width)
        .setPixelFrames(frames)
        .setFps(FPS)
        .build();
  }

  /**
   * Sampling with guidance, two rows, as Open-Sora 1.2 does it, for a model with text; captures {@link #FINAL}.
   *
   * @param textTokens of the prompt; the null condition has as many
   * @param seed of noise and text
   */
  static WorkOrder rectifiedFlow(
      ClipGeometry clip, int textTokens, int textChannels, int steps, long seed) {
    return WorkOrder.newBuilder()
        .setSampling(
            SamplingTask.newBuilder()
                .setGeometry(clip)
                .addPrompts(
                    RowCondition.newBuilder()
                        .setEmbedding(normal(new Random(seed), textTokens, textChannels)))
                .setRectifiedFlow(
                    RectifiedFlow.newBuilder().setSteps(steps).setTimesteps(TIMESTEPS))
                .setGuidance(Guidance.newBuilder().setStrength(GUIDANCE))
                .setSeed(seed)
                .addCapture(FINAL))
        .build();
  }

  /** Normally distributed numbers. */
  static Tensor normal(Random random, long... shape) {
    List<Long> sizes = Arrays.stream(shape).boxed().toList();
    float[] values = new float[Math.toIntExact(sizes.stream().reduce(1L, Math::multiplyExact))];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return ProtoTensors.of(values, sizes);
  }
}
