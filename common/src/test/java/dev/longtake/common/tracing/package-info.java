/** Tests of traces, with a collector that keeps what it gets. */
@NullMarked
package dev.longtake.common.tracing;

import org.jspecify.annotations.NullMarked;
