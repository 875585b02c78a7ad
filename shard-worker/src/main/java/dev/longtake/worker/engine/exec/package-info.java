/** The executor: weights, buffers and the loop over a program's instructions. */
@NullMarked
package dev.longtake.worker.engine.exec;

import org.jspecify.annotations.NullMarked;
