package dev.longtake.worker.device;

/**
 * How latents are cut into patches. Incomplete patches at the ends of the axes are completed with zeros, and cut off
 * again on the way back.
 *
 * @param frames latent frames, not a count of patches
 */
public record Patching(
    int frames, int height, int width, int patchFrames, int patchHeight, int patchWidth) {
  /** Patches along the time axis. */
  public int gridFrames() {
    return Math.ceilDiv(frames, patchFrames);
  }

  /** Patches along the image height. */
  public int gridRows() {
    return Math.ceilDiv(height, patchHeight);
  }

  /** Patches along the image width. */
  public int gridColumns() {
    return Math.ceilDiv(width, patchWidth);
  }

  /** Patches of one frame, in row-major order. */
  public int patchesPerFrame() {
    return gridRows() * gridColumns();
  }

  /** Latent values of one channel in one patch. */
  public int patchVolume() {
    return patchFrames * patchHeight * patchWidth;
  }
}
