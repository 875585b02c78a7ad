/** Digests of bytes. */
@NullMarked
package dev.longtake.common.digest;

import org.jspecify.annotations.NullMarked;
