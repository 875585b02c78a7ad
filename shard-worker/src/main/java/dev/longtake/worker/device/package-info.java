/** What a device can do. Knows no model: buffers, matrix products with packed weights, fused kernels. */
@NullMarked
package dev.longtake.worker.device;

import org.jspecify.annotations.NullMarked;
