/** Tests of the frame. */
@NullMarked
package dev.longtake.ops.bench;

import org.jspecify.annotations.NullMarked;
