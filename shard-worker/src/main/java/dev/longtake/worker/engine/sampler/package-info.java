/** Sampling schedules and the loop that turns noise into latents. */
@NullMarked
package dev.longtake.worker.engine.sampler;

import org.jspecify.annotations.NullMarked;
