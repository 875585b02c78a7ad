package dev.longtake.worker.device.cpu;

import dev.longtake.common.x86.InstructionSets;
import dev.longtake.worker.device.cpu.x86.PanelKernels;

/** What computes a device's matrix products. Their last bits differ, so it follows from the processor and never from a measurement. */
enum ProductsKind {
  /** On any processor. */
  ONEDNN {
    @Override
    Products open(CpuMemory memory, Workers workers) {
      return new OneDnnProducts(memory, workers);
    }
  },

  /** With AVX2, and bfloat16 on processors that have no products of it. */
  PANELS {
    @Override
    Products open(CpuMemory memory, Workers workers) {
      return new PanelProducts(PanelKernels.get().orElseThrow(), memory, workers);
    }
  };

  abstract Products open(CpuMemory memory, Workers workers);

  /** The faster of them here: oneDNN has kernels for AVX-512, and ours are faster than its for AVX2. */
  static ProductsKind ofProcessor() {
    return InstructionSets.hasAvx2()
            && !InstructionSets.hasAvx512()
            && PanelKernels.get().isPresent()
        ? PANELS
        : ONEDNN;
  }
}
