/** Membership of workers, the model they share, and their reservation for jobs. */
@NullMarked
package dev.longtake.coordinator.fleet;

import org.jspecify.annotations.NullMarked;
