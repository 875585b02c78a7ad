/** The passes from a model description to the flat list of instructions one rank runs. */
@NullMarked
package dev.longtake.worker.engine.program;

import org.jspecify.annotations.NullMarked;
