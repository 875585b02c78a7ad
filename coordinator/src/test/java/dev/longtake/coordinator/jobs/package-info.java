/** Tests of the job store and the step clock. */
@NullMarked
package dev.longtake.coordinator.jobs;

import org.jspecify.annotations.NullMarked;
