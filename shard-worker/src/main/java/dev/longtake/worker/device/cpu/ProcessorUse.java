package dev.longtake.worker.device.cpu;

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;

/** How busy the threads that compute are, going by the processor time of the whole process, nearly all of which is theirs. Thread-safe. */
final class ProcessorUse {
  private final OperatingSystemMXBean system =
      (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
  private final int threads;
  private long lastNanos = System.nanoTime();
  private long lastUsedNanos = system.getProcessCpuTime();

  ProcessorUse(int threads) {
    this.threads = threads;
  }

  /** From the call before to this one: 0 to 1, NaN when the system does not tell. */
  synchronized double sinceLastCall() {
    long nanos = System.nanoTime();
    long usedNanos = system.getProcessCpuTime();
    double ratio = (double) (usedNanos - lastUsedNanos) / threads / Math.max(1, nanos - lastNanos);
    lastNanos = nanos;
    boolean isKnown = usedNanos >= 0 && lastUsedNanos >= 0;
    lastUsedNanos = usedNanos;
    return isKnown ? Math.min(1, ratio) : Double.NaN;
  }
}
