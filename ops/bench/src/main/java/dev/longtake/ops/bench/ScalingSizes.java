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
 * @param frames of latents where a step's time counts
 * @param side latents along each side of a frame
 * @param textTokens of the prompt
 * @param steps of a run whose step time counts
 * @param rounds in which every plan runs once
 * @param jobFrames of latents of each of two jobs in flight
 * @param jobSteps of these
 * @param jobRounds in which they run once on one worker and once on two
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
    int jobFrames,
    int jobSteps,
    int jobRounds) {
  /**
   * Open-Sora 1.2's width with two pairs of blocks. A step takes about five seconds on one core of 2026's servers, of which some
   * hundredths are exchanging what a switch moves and waiting for the other rank; at half of the tokens these and the products' fixed
   * costs weigh a few hundredths more. With 24 steps, the half step that fills two stages and the one that drains them cost one part
   * in 49.
   */
  static final ScalingSizes OPEN_SORA =
      new ScalingSizes(
          /* channels= */ 1152,
          /* heads= */ 16,
          /* pairs= */ 2,
          /* frames= */ 16,
          /* side= */ 20,
          /* textTokens= */ 60,
          /* steps= */ 3,
          /* rounds= */ 3,
          /* jobFrames= */ 8,
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

  /** The work whose step time counts. */
  WorkOrder task(RandomModel model, long seed) {
    return task(model, frames, steps, seed);
  }

  /** One of the jobs in flight. */
  WorkOrder job(RandomModel model, int samplingSteps, long seed) {
    return task(model, jobFrames, samplingSteps, seed);
  }

  private WorkOrder task(RandomModel model, int latentFrames, int samplingSteps, long seed) {
    var text = model.program().model().text();
    ClipGeometry clip = RandomTasks.clip(latentFrames, side);
    return RandomTasks.rectifiedFlow(
        clip, textTokens, text == null ? 0 : text.channels(), samplingSteps, seed);
  }
}
