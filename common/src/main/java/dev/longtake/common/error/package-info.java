/** Failures with a stable code, a category and a message for the person who must act. */
@NullMarked
package dev.longtake.common.error;

import org.jspecify.annotations.NullMarked;
