package dev.longtake.worker.conformance;

import dev.longtake.v1.ForwardTask;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * How the inputs of a run become forward tasks, and how what the engine captured is put in the order of the reference. The
 * reference pads, and calls some results otherwise; the engine does not pad, so a padded run may become a task per row.
 */
interface GoldenFamily {
  /** The family that a run's inputs belong to. */
  static GoldenFamily of(GoldenRun run) {
    if (run.hasInput("img")) {
      return new MmditGolden(run);
    }
    return run.hasInput("video_latent_states") ? new MarchGolden(run) : new VideoGolden(run);
  }

  /** Without the names to capture. */
  List<ForwardTask.Builder> tasks();

  /** The engine's names of what a reference tensor is made of; empty when the engine has nothing of the kind. */
  List<String> captures(String name);

  /** Why a reference tensor has no counterpart. */
  default String whyNotCompared(String name) {
    return "the engine does not have this tensor";
  }

  /** The reference's values that can be compared: real tokens only. */
  double[] reference(String name);

  /**
   * The engine's values in the same order.
   *
   * @param captured of each task, by the engine's names; null when one of {@link #captures} is not there
   */
  float @Nullable [] ours(String name, List<Map<String, Captured>> captured);

  /**
   * Classifier-free guidance as the models' own guided forward passes do it, on the first channels of rows [conditional, null];
   * both halves of the result are the same, except for what guidance leaves alone.
   *
   * @param output [rows, channels, ...]
   */
  static float[] guided(float[] output, int rows, int channels, double scale, int guidedChannels) {
    int volume = output.length / rows / channels;
    float[] guided = output.clone();
    for (int row = 0; row < rows; row++) {
      int conditional = row % (rows / 2) * channels;
      int unconditional = conditional + rows / 2 * channels;
      for (int channel = 0; channel < guidedChannels; channel++) {
        for (int i = 0; i < volume; i++) {
          float c = output[(conditional + channel) * volume + i];
          float u = output[(unconditional + channel) * volume + i];
          guided[(row * channels + channel) * volume + i] = u + (float) scale * (c - u);
        }
      }
    }
    return guided;
  }
}
