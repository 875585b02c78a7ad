/** Tests of what NVIDIA's libraries tell, on emulated ones. */
@NullMarked
package dev.longtake.worker.device.cuda.driver;

import org.jspecify.annotations.NullMarked;
