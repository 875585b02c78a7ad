/** From a prompt to its embedding, and from latents to pixels: what runs in ONNX Runtime, one call a prompt or frame. */
@NullMarked
package dev.longtake.worker.media;

import org.jspecify.annotations.NullMarked;
