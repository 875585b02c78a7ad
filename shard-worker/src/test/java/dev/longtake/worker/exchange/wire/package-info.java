/** Chunks as bytes, against protobuf's own classes. */
@NullMarked
package dev.longtake.worker.exchange.wire;

import org.jspecify.annotations.NullMarked;
