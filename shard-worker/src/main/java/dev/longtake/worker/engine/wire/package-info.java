/** What activations look like on their way from one worker to another: as they are stored, or smaller and less exact. */
@NullMarked
package dev.longtake.worker.engine.wire;

import org.jspecify.annotations.NullMarked;
