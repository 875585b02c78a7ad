/** Tests of {@code longtake plan}. */
@NullMarked
package dev.longtake.ops.launcher.plan;

import org.jspecify.annotations.NullMarked;
