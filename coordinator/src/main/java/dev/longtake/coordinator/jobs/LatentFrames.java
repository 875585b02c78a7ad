package dev.longtake.coordinator.jobs;

import com.google.protobuf.ByteString;
import dev.longtake.v1.Tensor;
import java.util.List;

/** Frames of latents [1, channels, frames, height, width], float32. */
final class LatentFrames {
  private static final int FRAME_AXIS = 2;

  private LatentFrames() {}

  static int count(Tensor latents) {
    return Math.toIntExact(latents.getShape(FRAME_AXIS));
  }

  static Tensor first(Tensor latents, int frames) {
    return range(latents, 0, frames);
  }

  static Tensor last(Tensor latents, int frames) {
    return range(latents, count(latents) - frames, frames);
  }

  private static Tensor range(Tensor latents, int start, int frames) {
    int frameBytes = frameBytes(latents);
    int planeBytes = count(latents) * frameBytes;
    ByteString data = ByteString.empty();
    for (int channel = 0; channel < latents.getShape(1); channel++) {
      int from = channel * planeBytes + start * frameBytes;
      data = data.concat(latents.getData().substring(from, from + frames * frameBytes));
    }
    return withFrames(latents, frames, data);
  }

  /** Latents of one size, one behind the other. */
  static Tensor join(List<Tensor> parts) {
    ByteString data = ByteString.empty();
    int frames = parts.stream().mapToInt(LatentFrames::count).sum();
    for (int channel = 0; channel < parts.getFirst().getShape(1); channel++) {
      for (Tensor part : parts) {
        int planeBytes = count(part) * frameBytes(part);
        data =
            data.concat(part.getData().substring(channel * planeBytes, (channel + 1) * planeBytes));
      }
    }
    return withFrames(parts.getFirst(), frames, data);
  }

  private static int frameBytes(Tensor latents) {
    return Math.toIntExact(latents.getShape(3) * latents.getShape(4) * Float.BYTES);
  }

  private static Tensor withFrames(Tensor like, int frames, ByteString data) {
    return like.toBuilder()
        .setShape(FRAME_AXIS, frames)
        // Without the parts it was made of, which may be parts of something much larger.
        .setData(ByteString.copyFrom(data.asReadOnlyByteBuffer()))
        .build();
  }
}
