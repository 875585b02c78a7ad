/** Tests of recognising and opening models. */
@NullMarked
package dev.longtake.worker.engine.loading;

import org.jspecify.annotations.NullMarked;
