/** Tests of the program, the script and the local cluster. */
@NullMarked
package dev.longtake.ops.launcher;

import org.jspecify.annotations.NullMarked;
