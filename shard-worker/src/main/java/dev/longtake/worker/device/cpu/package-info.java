/** The processor as a device: our own code for AVX2 or oneDNN for matrix products, the Vector API for nearly everything else. */
@NullMarked
package dev.longtake.worker.device.cpu;

import org.jspecify.annotations.NullMarked;
