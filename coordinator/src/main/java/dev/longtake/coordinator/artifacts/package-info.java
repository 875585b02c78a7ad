/** What belongs to jobs and is too large for the database: encoded prompts, checkpoints, videos. */
@NullMarked
package dev.longtake.coordinator.artifacts;

import org.jspecify.annotations.NullMarked;
