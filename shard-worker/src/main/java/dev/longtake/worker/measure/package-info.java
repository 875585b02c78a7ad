/** How fast this worker's device and links are, for the planner. */
@NullMarked
package dev.longtake.worker.measure;

import org.jspecify.annotations.NullMarked;
