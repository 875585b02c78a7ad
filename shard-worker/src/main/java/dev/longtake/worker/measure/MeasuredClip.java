package dev.longtake.worker.measure;

import dev.longtake.v1.ClipGeometry;
import dev.longtake.worker.device.Patching;
import dev.longtake.worker.engine.exec.Geometry;
import dev.longtake.worker.engine.model.PatchSize;

/**
 * A clip at which blocks are timed.
 *
 * @param frames token frames
 * @param rows of patches in a frame
 * @param columns of patches in a frame
 */
record MeasuredClip(int frames, int rows, int columns) {
  /** Where nobody says what clips are like. */
  private static final MeasuredClip USUAL = new MeasuredClip(16, 16, 16);

  /**
   * A clip with the proportions of a typical one and no more than some tokens; frames stay as many as long as there are patches to
   * leave out, because the shorter sequences across frames are what small numbers change most.
   */
  static MeasuredClip like(ClipGeometry typical, PatchSize patch, long maxTokens) {
    MeasuredClip clip =
        typical.getLatentFrames() < 1
            ? USUAL
            : new MeasuredClip(
                Math.ceilDiv(typical.getLatentFrames(), patch.frames()),
                Math.ceilDiv(typical.getLatentHeight(), patch.height()),
                Math.ceilDiv(typical.getLatentWidth(), patch.width()));
    while (clip.tokens() > maxTokens && clip.rows * clip.columns > 4) {
      clip =
          clip.rows > clip.columns
              ? new MeasuredClip(clip.frames, Math.ceilDiv(clip.rows, 2), clip.columns)
              : new MeasuredClip(clip.frames, clip.rows, Math.ceilDiv(clip.columns, 2));
    }
    while (clip.tokens() > maxTokens && clip.frames > 1) {
      clip = new MeasuredClip(Math.ceilDiv(clip.frames, 2), clip.rows, clip.columns);
    }
    return clip;
  }

  /** Half as many frames and half as many patches, at least one of each and never the same clip. */
  MeasuredClip smaller() {
    return new MeasuredClip(Math.ceilDiv(frames, 2), rows, Math.ceilDiv(columns, 2));
  }

  long tokens() {
    return (long) frames * rows * columns;
  }

  int patches() {
    return rows * columns;
  }

  Geometry geometry(PatchSize patch) {
    Patching patching =
        new Patching(
            frames * patch.frames(),
            rows * patch.height(),
            columns * patch.width(),
            patch.frames(),
            patch.height(),
            patch.width());
    return new Geometry(1, patching, patching.height(), patching.width(), frames, 0, 1);
  }
}
