/** Tests of what steps take over. */
@NullMarked
package dev.longtake.worker.engine.reuse;

import org.jspecify.annotations.NullMarked;
