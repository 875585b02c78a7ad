package dev.longtake.worker.engine.model;

/** Latent values per patch along each axis. */
public record PatchSize(int frames, int height, int width) {
  public int volume() {
    return frames * height * width;
  }
}
