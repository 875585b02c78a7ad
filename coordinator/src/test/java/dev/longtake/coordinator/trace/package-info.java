/** Tests of trace files, read as a viewer reads them. */
@NullMarked
package dev.longtake.coordinator.trace;

import org.jspecify.annotations.NullMarked;
