/** Tests of the schedules. */
@NullMarked
package dev.longtake.worker.engine.sampler;

import org.jspecify.annotations.NullMarked;
