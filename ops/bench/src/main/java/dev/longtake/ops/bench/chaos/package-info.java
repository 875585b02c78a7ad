/** A cluster of processes whose parts are killed, frozen and cut off while jobs run. */
@NullMarked
package dev.longtake.ops.bench.chaos;

import org.jspecify.annotations.NullMarked;
