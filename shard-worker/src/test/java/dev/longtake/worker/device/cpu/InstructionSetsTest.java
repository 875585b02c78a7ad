package dev.longtake.worker.device.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.x86.InstructionSets;
import org.bytedeco.dnnl.global.dnnl;
import org.junit.jupiter.api.Test;

class InstructionSetsTest {
  /** Which products a device has must not depend on whom one asks: their last bits differ. */
  @Test
  void shouldSayWhatOneDnnSaysWhenAProcessorIsLookedAt() {
    int sets = dnnl.dnnl_get_effective_cpu_isa();
    assertThat(InstructionSets.hasAvx2()).isEqualTo(has(sets, dnnl.dnnl_cpu_isa_avx2));
    assertThat(InstructionSets.hasAvx512()).isEqualTo(has(sets, dnnl.dnnl_cpu_isa_avx512_core));
  }

  private static boolean has(int sets, int wanted) {
    return (sets & wanted) == wanted;
  }
}
