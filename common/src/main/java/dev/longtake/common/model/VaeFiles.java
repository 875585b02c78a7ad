package dev.longtake.common.model;

import java.nio.file.Path;
import java.util.List;

/**
 * The frame decoder of a model on disk. The decoder's input is {@code latent * scale + shift}, per channel.
 *
 * @param decoderOnnx from {@code [frames, channels, height, width]} to {@code [frames, 3, height, width]} in -1..1,
 *     float32
 * @param shift one per latent channel
 * @param scale one per latent channel
 */
public record VaeFiles(Path decoderOnnx, Path config, List<Float> shift, List<Float> scale) {
  public VaeFiles {
    shift = List.copyOf(shift);
    scale = List.copyOf(scale);
  }
}
