/** Where a rank's time goes: computing, exchanging, waiting. */
@NullMarked
package dev.longtake.worker.engine.trace;

import org.jspecify.annotations.NullMarked;
