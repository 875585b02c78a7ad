package dev.longtake.worker.device.cpu;

import dev.longtake.worker.device.cpu.x86.ActivationKernels;
import dev.longtake.worker.device.cpu.x86.AttentionKernels;
import dev.longtake.worker.device.cpu.x86.PanelKernels;
import dev.longtake.worker.device.cpu.x86.RowKernels;
import org.jspecify.annotations.Nullable;

/** Our own machine code, where the processor and the system run it; null where the Vector API does all. Both give the same bits. */
final class OwnCode {
  private static final boolean RUNS =
      ProductsKind.ofProcessor() == ProductsKind.PANELS && Lanes.COUNT == PanelKernels.LANES;

  /** Products of attention. */
  static final @Nullable PanelKernels PANELS = RUNS ? PanelKernels.get().orElse(null) : null;

  /** What else attention does. */
  static final @Nullable AttentionKernels ATTENTION =
      RUNS ? AttentionKernels.get().orElse(null) : null;

  static final @Nullable ActivationKernels ACTIVATIONS =
      RUNS ? ActivationKernels.get().orElse(null) : null;

  static final @Nullable RowKernels ROWS = RUNS ? RowKernels.get().orElse(null) : null;

  private OwnCode() {}

  /** Whether rows are as code for whole vectors needs them. */
  static boolean suits(View view) {
    return !view.bfloat() && view.columns() > 0 && view.columns() % Lanes.COUNT == 0;
  }
}
