/** Tests of the passes. */
@NullMarked
package dev.longtake.worker.engine.program;

import org.jspecify.annotations.NullMarked;
