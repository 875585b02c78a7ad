/** A GPU through CUDA's driver: JCuda's binding, and CUDA's errors in words. Nothing else in Longtake knows JCuda. */
@NullMarked
package dev.longtake.worker.device.cuda.driver;

import org.jspecify.annotations.NullMarked;
