/** Tests of the models with random weights. */
@NullMarked
package dev.longtake.ops.model;

import org.jspecify.annotations.NullMarked;
