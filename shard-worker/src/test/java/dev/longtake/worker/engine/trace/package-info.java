/** Tests of time lines. */
@NullMarked
package dev.longtake.worker.engine.trace;

import org.jspecify.annotations.NullMarked;
