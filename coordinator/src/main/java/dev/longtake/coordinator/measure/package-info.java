/** Measuring workers and the links between them, and noticing when what was measured is no longer true. */
@NullMarked
package dev.longtake.coordinator.measure;

import org.jspecify.annotations.NullMarked;
