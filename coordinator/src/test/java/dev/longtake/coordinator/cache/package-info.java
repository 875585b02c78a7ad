/** Tests of what is kept of text encoders' work. */
@NullMarked
package dev.longtake.coordinator.cache;

import org.jspecify.annotations.NullMarked;
