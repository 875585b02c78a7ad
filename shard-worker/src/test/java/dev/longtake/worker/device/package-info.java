/** The contract every device is held to. */
@NullMarked
package dev.longtake.worker.device;

import org.jspecify.annotations.NullMarked;
