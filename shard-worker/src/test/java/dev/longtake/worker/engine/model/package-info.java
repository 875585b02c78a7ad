/** Tests of model descriptions and of the layouts of their checkpoints. */
@NullMarked
package dev.longtake.worker.engine.model;

import org.jspecify.annotations.NullMarked;
