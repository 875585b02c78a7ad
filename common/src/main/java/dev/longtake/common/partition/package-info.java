/** How one axis is divided among ranks. */
@NullMarked
package dev.longtake.common.partition;

import org.jspecify.annotations.NullMarked;
