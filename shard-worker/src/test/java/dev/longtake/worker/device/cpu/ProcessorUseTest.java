package dev.longtake.worker.device.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.management.ManagementFactory;
import org.junit.jupiter.api.Test;

class ProcessorUseTest {
  /** Spins until the process has used some processor time, whatever that takes. */
  private static void spin() {
    var thread = ManagementFactory.getThreadMXBean();
    long end = thread.getCurrentThreadCpuTime() + 50_000_000;
    while (thread.getCurrentThreadCpuTime() < end) {
      Thread.onSpinWait();
    }
  }

  @Test
  void shouldSayWhatPartOfTheTimeWasUsed() {
    ProcessorUse one = new ProcessorUse(1);
    ProcessorUse many = new ProcessorUse(1000);

    spin();

    assertThat(one.sinceLastCall()).isPositive().isLessThanOrEqualTo(1);
    assertThat(many.sinceLastCall()).isPositive().isLessThan(0.5);
  }
}
