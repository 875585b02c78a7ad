/** Noise that depends on nothing but a seed and the place of an element. */
@NullMarked
package dev.longtake.common.noise;

import org.jspecify.annotations.NullMarked;
