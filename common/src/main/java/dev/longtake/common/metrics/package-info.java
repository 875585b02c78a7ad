/** The meters of all processes, and the endpoint that shows them. */
@NullMarked
package dev.longtake.common.metrics;

import org.jspecify.annotations.NullMarked;
