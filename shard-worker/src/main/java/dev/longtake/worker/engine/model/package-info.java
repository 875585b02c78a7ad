/** Models as data: what each architecture consists of, and the names of its weights. */
@NullMarked
package dev.longtake.worker.engine.model;

import org.jspecify.annotations.NullMarked;
