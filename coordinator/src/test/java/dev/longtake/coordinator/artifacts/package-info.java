/** Tests of what is kept of jobs in files. */
@NullMarked
package dev.longtake.coordinator.artifacts;

import org.jspecify.annotations.NullMarked;
