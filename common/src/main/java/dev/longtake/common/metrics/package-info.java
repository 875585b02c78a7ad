/** Meters that several processes have, and all their names. */
@NullMarked
package dev.longtake.common.metrics;

import org.jspecify.annotations.NullMarked;
