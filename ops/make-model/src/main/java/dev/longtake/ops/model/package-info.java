/** Models with random weights, of any architecture and size that the engine knows. */
@NullMarked
package dev.longtake.ops.model;

import org.jspecify.annotations.NullMarked;
