/** Tests of the executor. */
@NullMarked
package dev.longtake.worker.engine.exec;

import org.jspecify.annotations.NullMarked;
