/** What tests need of the fleet. */
@NullMarked
package dev.longtake.coordinator.fleet;

import org.jspecify.annotations.NullMarked;
