/** The activation exchange between workers: one gRPC stream for each pair of ranks and direction, with credits. */
@NullMarked
package dev.longtake.worker.exchange;

import org.jspecify.annotations.NullMarked;
