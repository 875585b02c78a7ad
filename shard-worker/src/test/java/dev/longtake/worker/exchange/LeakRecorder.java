package dev.longtake.worker.exchange;

import io.netty.buffer.PooledByteBufAllocator;
import io.netty.util.ResourceLeakDetector;
import java.util.Collection;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;

/**
 * Netty's leak detector, which keeps what it reports: buffers that were collected as garbage without having been released. Surefire's
 * configuration makes Netty use it; it watches every buffer.
 */
public final class LeakRecorder<T> extends ResourceLeakDetector<T> {
  private static final Queue<String> LEAKS = new ConcurrentLinkedQueue<>();

  /** Collections of garbage after which a leak counts as absent. */
  private static final int ROUNDS = 5;

  /** Called by Netty. */
  public LeakRecorder(Class<?> resourceType, int samplingInterval) {
    super(resourceType, samplingInterval);
  }

  /** Called by Netty, of old. */
  @SuppressWarnings("unused")
  public LeakRecorder(Class<?> resourceType, int samplingInterval, long maxActive) {
    super(resourceType, samplingInterval);
  }

  @Override
  protected void reportTracedLeak(String resourceType, String records) {
    LEAKS.add(resourceType + ": " + records);
  }

  @Override
  protected void reportUntracedLeak(String resourceType) {
    LEAKS.add(resourceType);
  }

  /** What was leaked since the last call, in the whole process. */
  static Collection<String> collect() {
    for (int i = 0; i < ROUNDS; i++) {
      System.gc();
      // A leak is reported when the next buffer is made.
      PooledByteBufAllocator.DEFAULT.directBuffer(1).release();
      PooledByteBufAllocator.DEFAULT.heapBuffer(1).release();
    }
    List<String> found = List.copyOf(LEAKS);
    LEAKS.removeAll(found);
    return found;
  }
}
