package dev.longtake.worker.inspect;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.model.ModelDefaults;
import dev.longtake.worker.device.Patching;
import dev.longtake.worker.engine.exec.Geometry;
import dev.longtake.worker.engine.model.PatchSize;

/**
 * The video that memory is counted for.
 *
 * @param branches rows of the batch
 */
record Clip(int frames, int height, int width, int branches) {
  /** Larger ones than any model makes; the counts stay far from overflow. */
  private static final long MAX_TOKENS = 1L << 26;

  private static final int MAX_SIDE = 1 << 16;

  Clip {
    requireSide("--frames", frames);
    requireSide("--height", height);
    requireSide("--width", width);
  }

  private static void requireSide(String option, int value) {
    if (value < 1 || value > MAX_SIDE) {
      throw LongtakeException.invalidField(
          option, "Expected %s of 1 to %d, but got %d".formatted(option, MAX_SIDE, value));
    }
  }

  /** One rank's share of it. */
  Geometry geometry(ModelDefaults defaults, PatchSize patch, int rank, int ranks) {
    Patching patching =
        new Patching(
            Math.ceilDiv(frames, defaults.temporalCompression()),
            Math.ceilDiv(height, defaults.spatialCompression()),
            Math.ceilDiv(width, defaults.spatialCompression()),
            patch.frames(),
            patch.height(),
            patch.width());
    long tokens = (long) patching.gridFrames() * patching.gridRows() * patching.gridColumns();
    if (tokens > MAX_TOKENS) {
      throw LongtakeException.invalidField(
          "--frames",
          "Expected a clip of at most %d tokens, but %d frames of %d x %d pixels have %d; make it smaller"
              .formatted(MAX_TOKENS, frames, height, width, tokens));
    }
    return new Geometry(branches, patching, height, width, frames, rank, ranks);
  }
}
