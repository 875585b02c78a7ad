/** {@code longtake inspect}: what a model folder or a file with weights holds, and what it takes to run it. */
@NullMarked
package dev.longtake.worker.inspect;

import org.jspecify.annotations.NullMarked;
