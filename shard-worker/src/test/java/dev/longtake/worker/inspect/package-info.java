/** Tests of the inspect command. */
@NullMarked
package dev.longtake.worker.inspect;

import org.jspecify.annotations.NullMarked;
