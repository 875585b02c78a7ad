/** Tests of what is kept on the device for the jobs to come. */
@NullMarked
package dev.longtake.worker.cache;

import org.jspecify.annotations.NullMarked;
