/**
 * Kernels in machine code of x86-64 with AVX2, which this package writes: neither the JIT compiler nor oneDNN comes as near to the
 * processor's limit.
 */
@NullMarked
package dev.longtake.worker.device.cpu.x86;

import org.jspecify.annotations.NullMarked;
