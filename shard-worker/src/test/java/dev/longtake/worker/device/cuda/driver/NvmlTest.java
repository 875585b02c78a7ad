package dev.longtake.worker.device.cuda.driver;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.worker.device.cuda.EmulatedCuda;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class NvmlTest {
  private static final String FIRST = "GPU-e0e0e0e0-e0e0-e0e0-e0e0-e0e0e0e0e000";

  @BeforeEach
  void reset() {
    EmulatedCuda.reset("gpus=2");
  }

  @Test
  void shouldSayHowBusyAGpuIs() {
    assertThat(Nvml.of(EmulatedCuda.symbols(), FIRST).orElseThrow().utilization()).isEqualTo(0.37);
  }

  @Test
  void shouldKnowNothingOfAGpuThatIsNotThere() {
    assertThat(Nvml.of(EmulatedCuda.symbols(), FIRST.replace("e000", "e002"))).isEmpty();
    assertThat(Nvml.of(_ -> Optional.empty(), FIRST)).isEmpty();
  }

  @Test
  void shouldNotKnowWhenTheLibraryDoesNot() {
    Nvml second = Nvml.of(EmulatedCuda.symbols(), FIRST.replace("e000", "e001")).orElseThrow();
    EmulatedCuda.reset("gpus=1");
    assertThat(second.utilization()).isNaN();
  }
}
