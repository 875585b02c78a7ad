/** The processes of {@code longtake bench exchange}, which move bytes over raw sockets, over the exchange and over a generated stub. */
@NullMarked
package dev.longtake.ops.bench.exchange;

import org.jspecify.annotations.NullMarked;
