/** How Longtake processes start, tell that they are ready, and end. */
@NullMarked
package dev.longtake.common.process;

import org.jspecify.annotations.NullMarked;
