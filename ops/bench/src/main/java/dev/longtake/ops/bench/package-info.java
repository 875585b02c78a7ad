/** Benchmarks: figures with a stable name, a unit and a goal. */
@NullMarked
package dev.longtake.ops.bench;

import org.jspecify.annotations.NullMarked;
