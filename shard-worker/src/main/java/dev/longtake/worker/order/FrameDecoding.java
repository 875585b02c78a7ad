package dev.longtake.worker.order;

import com.google.protobuf.UnsafeByteOperations;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.partition.Range;
import dev.longtake.v1.DecodedFrames;
import dev.longtake.v1.WorkEvent;
import dev.longtake.worker.engine.exec.Geometry;
import dev.longtake.worker.engine.gang.RankShare;
import dev.longtake.worker.media.FrameDecoder;
import java.nio.FloatBuffer;

/**
 * A rank's frames from latents to pixels: one after the other, so that a frame's bytes do not depend on who decodes its neighbours.
 * Branch groups, which have the same latents, divide the frames among them.
 */
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
   * @param latents [channels, frames of this sequence rank, height, width]
   * @param decodeFrom the first frame of the whole clip that is wanted
   */
  void run(float[] latents, Geometry geometry, RankShare share, int decodeFrom) {
    Range frames = geometry.latentFrames();
    int skipped = Math.clamp(decodeFrom - frames.start(), 0, frames.size());
    Range mine = share.ofBranchGroup(frames.size() - skipped);
    int channels = work.model().latentChannels();
    int height = geometry.patching().height();
    int width = geometry.patching().width();
    int pixels = height * width;
    for (int i = skipped + mine.start(); i < skipped + mine.end(); i++) {
      if (work.canceled().getAsBoolean()) {
        throw new LongtakeException(ErrorCode.CANCELED, "The job was cancelled");
      }
      float[] frame = new float[channels * pixels];
      for (int channel = 0; channel < channels; channel++) {
        System.arraycopy(
            latents, (channel * frames.size() + i) * pixels, frame, channel * pixels, pixels);
      }
      byte[] rgb = decoder.decode(FloatBuffer.wrap(frame), height, width);
      work.events()
          .accept(
              WorkEvent.newBuilder()
                  .setFrames(
                      DecodedFrames.newBuilder()
                          .setFirstFrame(frames.start() + i)
                          .setFrames(1)
                          .setHeight(height * decoder.compression())
                          .setWidth(width * decoder.compression())
                          .setRgb(UnsafeByteOperations.unsafeWrap(rgb)))
                  .build());
    }
  }
}
