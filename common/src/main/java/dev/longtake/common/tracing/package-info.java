/** A trace for each job, for a collector that speaks OpenTelemetry's protocol: Micrometer's observations become spans. Off unless asked for. */
@NullMarked
package dev.longtake.common.tracing;

import org.jspecify.annotations.NullMarked;
