package dev.longtake.ops.bench;

import com.google.gson.JsonObject;
import dev.longtake.ops.model.RandomModel;
import java.nio.file.Path;
import java.util.List;

/**
 * Sizes of {@link StepBenchmark}.
 *
 * @param channels of the model
 * @param heads of its attention
 * @param pairs of spatial and temporal blocks
 * @param textTokens of the prompt
 * @param clips in which a step is measured
 * @param rounds in which everybody runs once
 * @param demoRounds the same for the demo model
 * @param demoWarmUps rounds before these: a worker gets faster for ten of them, since steps this short are compiled late
 */
record StepSizes(
    int channels,
    int heads,
    int pairs,
    int textTokens,
    List<StepClip> clips,
    int rounds,
    int demoRounds,
    int demoWarmUps) {
  /** Open-Sora 1.2's width; two pairs of its 28, all of which take the same time. */
  static final StepSizes OPEN_SORA =
      new StepSizes(
          /* channels= */ 1152,
          /* heads= */ 16,
          /* pairs= */ 2,
          /* textTokens= */ 300,
          List.of(StepClip.of(16, 256), StepClip.of(15, 1590)),
          /* rounds= */ 3,
          /* demoRounds= */ 7,
          /* demoWarmUps= */ 10);

  StepSizes {
    clips = List.copyOf(clips);
  }

  int blocks() {
    return 2 * pairs;
  }

  /** STDiT3 of this width, all else as Open-Sora 1.2 has it. */
  RandomModel model() {
    JsonObject config = RandomModel.stdit3FullConfig();
    config.addProperty("hidden_size", channels);
    config.addProperty("num_heads", heads);
    config.addProperty("depth", pairs);
    return RandomModel.of(Path.of("step"), config);
  }
}
