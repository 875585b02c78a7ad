/** Tests of checkpoint files. */
@NullMarked
package dev.longtake.common.checkpoint;

import org.jspecify.annotations.NullMarked;
