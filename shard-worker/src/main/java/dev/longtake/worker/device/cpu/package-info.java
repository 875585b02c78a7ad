/** The processor as a device: oneDNN for matrix products, the Vector API for everything else. */
@NullMarked
package dev.longtake.worker.device.cpu;

import org.jspecify.annotations.NullMarked;
