/** Tests of measurements. */
@NullMarked
package dev.longtake.worker.measure;

import org.jspecify.annotations.NullMarked;
