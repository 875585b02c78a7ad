package dev.longtake.worker.engine.gang;

import dev.longtake.common.partition.Partition;
import dev.longtake.common.partition.Range;
import dev.longtake.common.plan.ExecutionPlan;
import dev.longtake.worker.device.Matrix;
import dev.longtake.worker.engine.Exchange;
import dev.longtake.worker.engine.exec.Floats;
import dev.longtake.worker.engine.exec.Geometry;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.jspecify.annotations.Nullable;

/**
 * The final latents on their way from the last stage's ranks, which have them, to all ranks of the gang, which decode as many frames each,
 * up to one. All branch groups have the same latents, so nothing crosses from one group to another.
 */
public final class FinalFrames {
  private final RankWork work;
  private final Geometry geometry;
  private final ExecutionPlan plan;
  private final int first;
  private final Partition parts;

  /**
   * The frames of a clip from one on.
   *
   * @param first latent frame of the clip
   */
  public FinalFrames(RankWork work, int first) {
    this.work = work;
    this.geometry = work.share().geometry();
    this.plan = work.share().plan();
    this.first = first;
    this.parts = new Partition(geometry.patching().frames() - first, plan.workers());
  }

  /** The frames of the clip that this rank gets. */
  public Range mine() {
    return of(work.share().rank());
  }

  private Range of(int rank) {
    Range part = parts.of(rank);
    return new Range(first + part.start(), first + part.end());
  }

  /**
   * Sends and receives; every rank calls it once, after its last step, and has the device's turn.
   *
   * @param latents of this rank's frames, rows [channel, frame]; null in stages before the last
   * @return this rank's frames of {@link #mine}: [frames, channels, height * width]
   */
  public float[] exchange(@Nullable Matrix latents) {
    work.homeTrace().begin("share frames");
    Exchange exchange = work.exchange(work.home());
    int rank = exchange.rank();
    @Nullable MemorySegment[] outgoing = new MemorySegment[exchange.ranks()];
    @Nullable MemorySegment[] incoming = new MemorySegment[exchange.ranks()];
    int group = plan.place(rank).branchGroup();
    int lastStage = plan.stages().size() - 1;
    try (Arena arena = Arena.ofShared()) {
      if (latents != null) {
        float[] held = Floats.download(work.device(), latents);
        for (int stage = 0; stage <= lastStage; stage++) {
          for (int place = 0; place < plan.sequenceRanks(); place++) {
            int to = plan.rank(group, stage, place);
            outgoing[to] = packed(held, common(of(to), geometry.latentFrames()), arena);
          }
        }
      }
      MemorySegment frames = arena.allocate(bytes(mine()), Float.BYTES);
      for (int place = 0; place < plan.sequenceRanks(); place++) {
        Range part = common(mine(), geometry.latentFrames(place));
        incoming[plan.rank(group, lastStage, place)] =
            frames.asSlice(bytes(new Range(mine().start(), part.start())), bytes(part));
      }
      exchange.allToAll(outgoing, incoming, "after the last step, latents to be decoded");
      MemorySegment kept = outgoing[rank];
      MemorySegment target = incoming[rank];
      if (kept != null && target != null) {
        target.copyFrom(kept);
      }
      return frames.toArray(ValueLayout.JAVA_FLOAT);
    } finally {
      work.homeTrace().pause();
    }
  }

  /** Frame by frame, out of rows [channel, frame]. */
  private MemorySegment packed(float[] held, Range frames, Arena arena) {
    MemorySegment packed = arena.allocate(bytes(frames), Float.BYTES);
    Range local = geometry.latentFrames();
    int pixels = pixels();
    int channels = channels();
    for (int frame = 0; frame < frames.size(); frame++) {
      for (int channel = 0; channel < channels; channel++) {
        int row = channel * local.size() + frames.start() - local.start() + frame;
        long to = ((long) frame * channels + channel) * pixels * Float.BYTES;
        MemorySegment.copy(held, row * pixels, packed, ValueLayout.JAVA_FLOAT, to, pixels);
      }
    }
    return packed;
  }

  /** What two ranges have in common; where that is nothing, an empty range inside the first. */
  private static Range common(Range one, Range other) {
    int start = Math.clamp(other.start(), one.start(), one.end());
    return new Range(start, Math.max(start, Math.min(one.end(), other.end())));
  }

  private long bytes(Range frames) {
    return (long) frames.size() * channels() * pixels() * Float.BYTES;
  }

  private int channels() {
    return work.program().model().latentChannels();
  }

  private int pixels() {
    return geometry.patching().height() * geometry.patching().width();
  }
}
