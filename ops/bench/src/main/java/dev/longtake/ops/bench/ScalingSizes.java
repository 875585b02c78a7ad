package dev.longtake.ops.bench;

import com.google.gson.JsonObject;
import dev.longtake.ops.model.RandomModel;
import dev.longtake.v1.ClipGeometry;
import dev.longtake.v1.WorkOrder;
import java.nio.file.Path;

/**
 * Sizes of a scaling benchmark.
 *
 * @param channels of the model
 * @param heads of its attention
 * @param pairs of spatial and temporal blocks
 * @param frames of latents
 * @param side latents along each side of a frame
 * @param textTokens of the prompt
 * @param steps of a run whose step time counts
 * @param rounds in which every plan runs once
 * @param jobSteps of each of two jobs in flight
 * @param jobRounds in which these run once on one worker and once on two
 */
record ScalingSizes(
    int channels,
    int heads,
    int pairs,
    int frames,
    int side,
    int textTokens,
    int steps,
    int rounds,
    int jobSteps,
    int jobRounds) {
  /**
   * Open-Sora 1.2's width with two pairs of blocks. A step takes two to three seconds on one core of 2026's servers, of which about
   * a hundredth is copying what a switch exchanges; both grow with the tokens. With 24 steps, the half step that fills two stages
   * and the one that drains them cost one part in 49.
   */
  static final ScalingSizes OPEN_SORA =
      new ScalingSizes(
          /* channels= */ 1152,
          /* heads= */ 16,
          /* pairs= */ 2,
          /* frames= */ 8,
          /* side= */ 20,
          /* textTokens= */ 60,
          /* steps= */ 3,
          /* rounds= */ 3,
          /* jobSteps= */ 24,
          /* jobRounds= */ 2);

  int blocks() {
    return 2 * pairs;
  }

  /** STDiT3 of this width, all else as Open-Sora 1.2 has it. */
  RandomModel model() {
    JsonObject config = RandomModel.stdit3FullConfig();
    config.addProperty("hidden_size", channels);
    config.addProperty("num_heads", heads);
    config.addProperty("depth", pairs);
    return RandomModel.of(Path.of("scaling"), config);
  }

  WorkOrder task(RandomModel model, int samplingSteps, long seed) {
    var text = model.program().model().text();
    ClipGeometry clip = RandomTasks.clip(frames, side);
    return RandomTasks.rectifiedFlow(
        clip, textTokens, text == null ? 0 : text.channels(), samplingSteps, seed);
  }
}
