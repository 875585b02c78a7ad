/** Element types and shapes. */
@NullMarked
package dev.longtake.common.tensor;

import org.jspecify.annotations.NullMarked;
