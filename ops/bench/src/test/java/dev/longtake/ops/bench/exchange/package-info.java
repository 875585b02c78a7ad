/** Tests of the benchmark's processes, which are also what faults are tried on. */
@NullMarked
package dev.longtake.ops.bench.exchange;

import org.jspecify.annotations.NullMarked;
