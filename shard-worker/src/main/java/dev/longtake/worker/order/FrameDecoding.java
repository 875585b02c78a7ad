package dev.longtake.worker.order;

import com.google.protobuf.UnsafeByteOperations;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.partition.Range;
import dev.longtake.v1.DecodedFrames;
import dev.longtake.v1.WorkEvent;
import dev.longtake.worker.device.Patching;
import dev.longtake.worker.media.FrameDecoder;
import java.nio.FloatBuffer;

/** A rank's frames from latents to pixels: one after the other, so that a frame's bytes do not depend on who decodes its neighbours. */
final class FrameDecoding {
  private final OrderWork work;
  private final FrameDecoder decoder;

  FrameDecoding(OrderWork work, FrameDecoder decoder) {
    this.work = work;
    this.decoder = decoder;
  }

  /**
   * Decodes and sends.
   *
   * @param frames of the clip
   * @param latents of these frames, [frames, channels, height, width]
   */
  void run(Range frames, float[] latents, Patching clip) {
    int values = work.model().latentChannels() * clip.height() * clip.width();
    for (int i = 0; i < frames.size(); i++) {
      if (work.canceled().getAsBoolean()) {
        throw new LongtakeException(ErrorCode.CANCELED, "The job was cancelled");
      }
      FloatBuffer frame = FloatBuffer.wrap(latents, i * values, values);
      byte[] rgb = decoder.decode(frame, clip.height(), clip.width());
      work.events()
          .accept(
              WorkEvent.newBuilder()
                  .setFrames(
                      DecodedFrames.newBuilder()
                          .setFirstFrame(frames.start() + i)
                          .setFrames(1)
                          .setHeight(clip.height() * decoder.compression())
                          .setWidth(clip.width() * decoder.compression())
                          .setRgb(UnsafeByteOperations.unsafeWrap(rgb)))
                  .build());
    }
  }
}
