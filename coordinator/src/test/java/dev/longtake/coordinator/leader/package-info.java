/** Tests of leading, with a real PostgreSQL. */
@NullMarked
package dev.longtake.coordinator.leader;

import org.jspecify.annotations.NullMarked;
