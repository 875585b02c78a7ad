package dev.longtake.common.model;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * The autoencoder of a model on disk. The decoder's input, and the encoder's mean, is {@code latent * scale + shift}, per channel.
 *
 * @param decoderOnnx from {@code [frames, channels, height, width]} to {@code [frames, 3, height, width]} in -1..1,
 *     float32
 * @param encoderOnnx from {@code [frames, 3, height, width]} in -1..1 to {@code [frames, 2 * channels, height, width]}, means
 *     before log variances, float32; empty where frames can only be decoded
 * @param shift one per latent channel
 * @param scale one per latent channel
 */
public record VaeFiles(
    Path decoderOnnx,
    Optional<Path> encoderOnnx,
    Path config,
    List<Float> shift,
    List<Float> scale) {
  public VaeFiles {
    shift = List.copyOf(shift);
    scale = List.copyOf(scale);
  }
}
