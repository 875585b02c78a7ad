/** Jobs: their states and events, the bounded queue, the scheduler, and the running of one job on its gang. */
@NullMarked
package dev.longtake.coordinator.jobs;

import org.jspecify.annotations.NullMarked;
