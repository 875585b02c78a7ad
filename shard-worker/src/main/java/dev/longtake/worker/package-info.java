/** The worker process and its command. */
@NullMarked
package dev.longtake.worker;

import org.jspecify.annotations.NullMarked;
