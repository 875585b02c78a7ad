/** The longtake program: every module's commands, and the local cluster behind demo and up. */
@NullMarked
package dev.longtake.ops.launcher;

import org.jspecify.annotations.NullMarked;
