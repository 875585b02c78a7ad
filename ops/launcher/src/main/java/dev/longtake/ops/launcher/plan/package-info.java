/** {@code longtake plan}: how a job would be divided, on a running cluster or on machines that one doesn't own. */
@NullMarked
package dev.longtake.ops.launcher.plan;

import org.jspecify.annotations.NullMarked;
