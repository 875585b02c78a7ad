package dev.longtake.worker.service;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.v1.EncodeFramesRequest;
import dev.longtake.v1.EncodeFramesResponse;

/** Turns frames into latents. Called by one thread at a time, not that of the orders. */
@FunctionalInterface
public interface PixelEncoder {
  /**
   * Encodes frames.
   *
   * @throws LongtakeException INVALID_MODEL when the model has no encoder; INVALID_REQUEST when sizes are no multiples of the model's
   *     compression or the bytes are not as many as they say
   */
  EncodeFramesResponse encode(EncodeFramesRequest request);
}
