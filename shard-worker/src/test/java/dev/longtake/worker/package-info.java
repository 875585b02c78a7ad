/** Tests of the worker's command. */
@NullMarked
package dev.longtake.worker;

import org.jspecify.annotations.NullMarked;
