/** Tests of what activations look like on their way. */
@NullMarked
package dev.longtake.worker.engine.wire;

import org.jspecify.annotations.NullMarked;
