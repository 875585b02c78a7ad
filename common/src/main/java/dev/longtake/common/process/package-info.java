/** How Longtake's processes start, announce that they are ready, and end with their parents. */
@NullMarked
package dev.longtake.common.process;

import org.jspecify.annotations.NullMarked;
