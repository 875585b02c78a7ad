/** Tests of the exchange: one contract for every transport. */
@NullMarked
package dev.longtake.worker.exchange;

import org.jspecify.annotations.NullMarked;
