package dev.longtake.ops.bench;

import com.google.gson.JsonObject;
import dev.longtake.ops.model.RandomModel;
import dev.longtake.v1.ClipGeometry;
import dev.longtake.v1.WorkOrder;
import java.nio.file.Path;

/**
 * Sizes of the run whose exchanged bytes were published.
 *
 * @param pairs of spatial and temporal blocks
 * @param steps of the sampler
 */
record StepCacheSizes(int pairs, int steps) {
  /** Open-Sora 1.2's depth and steps; the share does not depend on its width and the number of its tokens. */
  static final StepCacheSizes PUBLISHED = new StepCacheSizes(/* pairs= */ 28, /* steps= */ 30);

  private static final int CHANNELS = 72;
  private static final int TEXT_TOKENS = 8;

  /** Few tokens are as good as many. */
  private static final int FRAMES = 4;

  private static final int SIDE = 8;

  RandomModel model() {
    JsonObject config = RandomModel.stdit3FullConfig();
    config.addProperty("hidden_size", CHANNELS);
    config.addProperty("num_heads", 1);
    config.addProperty("depth", pairs);
    return RandomModel.of(Path.of("stepcache"), config);
  }

  /** 480p and 2 s, 51 frames, are what the schedule is shifted by. */
  WorkOrder task(RandomModel model, long seed) {
    var text = model.program().model().text();
    ClipGeometry clip =
        RandomTasks.clip(FRAMES, SIDE).toBuilder()
            .setPixelHeight(480)
            .setPixelWidth(848)
            .setPixelFrames(51)
            .build();
    WorkOrder.Builder order =
        RandomTasks.rectifiedFlow(
            clip, TEXT_TOKENS, text == null ? 0 : text.channels(), steps, seed)
            .toBuilder();
    order.getSamplingBuilder().getRectifiedFlowBuilder().setTransform(true);
    return order.build();
  }
}
