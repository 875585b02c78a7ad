/** Tests of the CPU device. */
@NullMarked
package dev.longtake.worker.device.cpu;

import org.jspecify.annotations.NullMarked;
