/** What every worker did when, as files in Chrome's trace event format. */
@NullMarked
package dev.longtake.coordinator.trace;

import org.jspecify.annotations.NullMarked;
