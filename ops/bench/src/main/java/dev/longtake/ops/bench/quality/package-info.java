/** How much two videos differ. */
@NullMarked
package dev.longtake.ops.bench.quality;

import org.jspecify.annotations.NullMarked;
