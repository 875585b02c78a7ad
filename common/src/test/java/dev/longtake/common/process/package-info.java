/** Tests of child processes, with a real child. */
@NullMarked
package dev.longtake.common.process;

import org.jspecify.annotations.NullMarked;
