/** Tests of shared memory. */
@NullMarked
package dev.longtake.worker.exchange.shared;

import org.jspecify.annotations.NullMarked;
