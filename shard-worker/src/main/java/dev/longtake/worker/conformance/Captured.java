package dev.longtake.worker.conformance;

import java.util.List;

/**
 * A whole tensor put together from the ranks' parts.
 *
 * @param shape [branches, frames, patches, columns] for tokens, [rows, channels, frames, height, width] for latents
 */
public record Captured(List<Long> shape, float[] values) {
  int size(int axis) {
    return Math.toIntExact(shape.get(axis));
  }
}
