/** From files to a model: which one they hold, of what sizes, and whether they hold all of it and nothing else. */
@NullMarked
package dev.longtake.worker.engine.loading;

import org.jspecify.annotations.NullMarked;
