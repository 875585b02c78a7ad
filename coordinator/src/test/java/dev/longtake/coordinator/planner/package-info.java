/** Tests of the planner. */
@NullMarked
package dev.longtake.coordinator.planner;

import org.jspecify.annotations.NullMarked;
