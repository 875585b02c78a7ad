/** Messages of the exchange as bytes: valid protobuf, written and read without passing through protobuf's own objects. */
@NullMarked
package dev.longtake.worker.exchange.wire;

import org.jspecify.annotations.NullMarked;
