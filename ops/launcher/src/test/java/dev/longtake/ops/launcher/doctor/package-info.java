/** Tests of the doctor. */
@NullMarked
package dev.longtake.ops.launcher.doctor;

import org.jspecify.annotations.NullMarked;
