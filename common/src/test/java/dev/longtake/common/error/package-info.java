/** Tests of error messages. */
@NullMarked
package dev.longtake.common.error;

import org.jspecify.annotations.NullMarked;
