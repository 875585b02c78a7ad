/** How one axis is divided among ranks, and the tokens of a rank into pieces. */
@NullMarked
package dev.longtake.common.partition;

import org.jspecify.annotations.NullMarked;
