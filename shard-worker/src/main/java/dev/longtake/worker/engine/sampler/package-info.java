/** Samplers, guidance, and the one loop that turns noise into latents with them. */
@NullMarked
package dev.longtake.worker.engine.sampler;

import org.jspecify.annotations.NullMarked;
