/** Tests that a cluster survives. */
@NullMarked
package dev.longtake.ops.bench.chaos;

import org.jspecify.annotations.NullMarked;
