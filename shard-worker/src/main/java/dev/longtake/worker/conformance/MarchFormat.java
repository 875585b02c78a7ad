package dev.longtake.worker.conformance;

import dev.longtake.v1.Ancestral;
import dev.longtake.v1.Guidance;
import dev.longtake.v1.SamplingTask;
import dev.longtake.v1.Tensor;
import dev.longtake.worker.conformance.GoldenRun.Values;
import dev.longtake.worker.order.ProtoTensors;
import java.util.ArrayList;
import java.util.List;

/**
 * Runs of Open-Sora of March 2024. A clip is a list of patches [rows, patches, channels, p, p]; here each patch is a frame of its
 * own, which is the same to a model whose positions count along the sequence.
 */
final class MarchFormat implements SamplerFormat {
  private static final int PATCHES = 1;
  private static final int CHANNELS = 2;

  @Override
  public int steps(GoldenRun run) {
    return (int) run.requireNumber("num_sampling_steps");
  }

  @Override
  public SamplingTask.Builder task(GoldenRun run) {
    Values start = run.input("z_start");
    int patches = start.size(PATCHES);
    int channels = start.size(CHANNELS);
    int height = start.size(3);
    int width = start.size(4);
    List<Long> clip =
        List.of((long) start.size(0), (long) channels, (long) patches, (long) height, (long) width);
    List<Long> noise = new ArrayList<>(clip);
    noise.addFirst((long) steps(run));
    SamplingTask.Builder task =
        SamplingTask.newBuilder()
            .setGeometry(GoldenLatents.geometry(clip, height, width))
            .setAncestral(Ancestral.newBuilder().setSteps(steps(run)).setTimesteps(TIMESTEPS))
            .setGuidance(Guidance.newBuilder().setStrength(run.requireNumber("cfg_scale")))
            .setLatents(ofFrames(start, patches, channels, clip))
            .setStepNoise(ofFrames(run.input("noise"), patches, channels, noise));
    Values text = run.input("text_latent_states");
    int tokens = text.size(1);
    int size = tokens * text.size(2);
    for (int row = 0; row < text.size(0); row++) {
      task.addPrompts(
          GoldenText.tokens(GoldenText.part(text, row * size, size), tokens, text.size(2)));
      // The null text is zeros.
      task.addNullConditions(GoldenText.tokens(new float[size], tokens, text.size(2)));
    }
    return task;
  }

  private static Tensor ofFrames(Values values, int patches, int channels, List<Long> shape) {
    int pixels = values.size(values.shape().size() - 2) * values.size(values.shape().size() - 1);
    return ProtoTensors.of(
        GoldenLatents.swapAxes(values.floats(), patches, channels, pixels), shape);
  }

  @Override
  public float[] arrange(GoldenRun run, String name, List<Captured> captured) {
    float[] values = SamplerFormat.super.arrange(run, name, captured);
    Captured first = captured.getFirst();
    return first.shape().size() < 5
        ? values
        : GoldenLatents.swapAxes(
            values, first.size(1), first.size(2), first.size(3) * first.size(4));
  }
}
