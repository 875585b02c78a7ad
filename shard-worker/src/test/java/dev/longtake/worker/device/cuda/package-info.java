/** The CUDA device on kernels that run on the host. */
@NullMarked
package dev.longtake.worker.device.cuda;

import org.jspecify.annotations.NullMarked;
