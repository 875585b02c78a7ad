/** The CUDA device: our kernels, launched through a narrow view of the driver. docs/cuda.md has the whole. */
@NullMarked
package dev.longtake.worker.device.cuda;

import org.jspecify.annotations.NullMarked;
