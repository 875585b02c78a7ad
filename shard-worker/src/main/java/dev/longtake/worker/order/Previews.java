package dev.longtake.worker.order;

import com.google.protobuf.UnsafeByteOperations;
import dev.longtake.common.partition.Range;
import dev.longtake.v1.Preview;
import dev.longtake.v1.SamplingTask;
import dev.longtake.v1.WorkEvent;
import dev.longtake.worker.device.Patching;
import dev.longtake.worker.engine.gang.RankShare;
import dev.longtake.worker.engine.gang.RankWork;
import dev.longtake.worker.media.FrameDecoder;
import java.nio.FloatBuffer;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/**
 * The middle frame of those that are wanted, as it becomes a picture: after every so many steps the one rank that has it decodes what the
 * step made of the clip. For the thread of the sampling loop.
 */
final class Previews {
  private final OrderWork work;
  private final RankWork rank;
  private final @Nullable FrameDecoder decoder;
  private final int every;
  private final int steps;
  private final int frame;
  private float @Nullable [] estimate;

  /**
   * Previews for one run of the loop.
   *
   * @param steps of the sampler
   */
  Previews(
      OrderWork work, RankWork rank, @Nullable FrameDecoder decoder, SamplingTask task, int steps) {
    this.work = work;
    this.rank = rank;
    this.decoder = decoder;
    this.every = task.getPreviewEvery();
    this.steps = steps;
    int frames = rank.share().geometry().patching().frames();
    this.frame = task.getDecodeFrom() + (frames - task.getDecodeFrom()) / 2;
  }

  /** The frame's place among this rank's; empty where no preview follows the step, or another rank makes it. */
  OptionalInt wanted(int stepsDone) {
    RankShare share = rank.share();
    Range mine = share.geometry().latentFrames();
    return every > 0
            && stepsDone % every == 0
            && stepsDone < steps
            && share.isLastStage()
            && share.isFirstBranchGroup()
            && frame >= mine.start()
            && frame < mine.end()
        ? OptionalInt.of(frame - mine.start())
        : OptionalInt.empty();
  }

  /**
   * What {@link #send} decodes.
   *
   * @param latents [channels, height * width]
   */
  void take(float[] latents) {
    estimate = latents;
  }

  /** Whether {@link #send} has something to decode. */
  boolean isDue() {
    return estimate != null;
  }

  /** Decodes and sends what was taken. Others should have the device's turn: decoding has threads of its own. */
  void send(int stepsDone) {
    if (estimate == null || decoder == null) {
      return;
    }
    rank.homeTrace().begin("preview");
    Patching clip = rank.share().geometry().patching();
    byte[] rgb = decoder.decode(FloatBuffer.wrap(estimate), clip.height(), clip.width());
    estimate = null;
    rank.homeTrace().pause();
    work.events()
        .accept(
            WorkEvent.newBuilder()
                .setPreview(
                    Preview.newBuilder()
                        .setStep(stepsDone)
                        .setFrame(frame)
                        .setHeight(clip.height() * decoder.compression())
                        .setWidth(clip.width() * decoder.compression())
                        .setRgb(UnsafeByteOperations.unsafeWrap(rgb)))
                .build());
  }
}
