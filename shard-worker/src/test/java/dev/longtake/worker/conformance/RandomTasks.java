package dev.longtake.worker.conformance;

import dev.longtake.v1.ClipGeometry;
import dev.longtake.v1.RowCondition;
import java.util.Random;

/** Clips and random conditions for sampling orders; the same for the same seed. */
final class RandomTasks {
  private RandomTasks() {}

  /** A clip of latents an eighth of its pixels, of as many frames. */
  static ClipGeometry clip(int frames, int height, int width) {
    return ClipGeometry.newBuilder()
        .setLatentFrames(frames)
        .setLatentHeight(height)
        .setLatentWidth(width)
        .setPixelHeight(height * 8)
        .setPixelWidth(width * 8)
        .setPixelFrames(frames)
        .setFps(8)
        .build();
  }

  static RowCondition text(Random random, int tokens, int channels) {
    return RowCondition.newBuilder()
        .setEmbedding(RandomForward.normal(random, tokens, channels))
        .build();
  }

  /** With a vector for the whole text, as the small MMDiT of the tests takes it. */
  static RowCondition pooled(Random random, int tokens) {
    return text(random, tokens, 28).toBuilder()
        .setPooledText(RandomForward.normal(random, 20))
        .build();
  }
}
