/** {@code longtake doctor}: whether a host can run a coordinator or a worker, and what to do where it can't. */
@NullMarked
package dev.longtake.ops.launcher.doctor;

import org.jspecify.annotations.NullMarked;
