/** How a job is divided among workers. */
@NullMarked
package dev.longtake.coordinator.planner;

import org.jspecify.annotations.NullMarked;
