package dev.longtake.worker.service;

import java.lang.management.ManagementFactory;
import java.lang.management.MemoryPoolMXBean;
import java.lang.management.MemoryType;
import java.lang.management.MemoryUsage;
import java.util.Optional;
import java.util.function.LongSupplier;

/**
 * Collects what ended orders have left in the old generation, once nothing runs. An order with an encoded text brings arrays of megabytes,
 * which go there at once, and the serial collector makes the heap larger before it looks for garbage in it: memory that a worker has no use
 * for, and the next order's tokens have. A collection takes some tens of milliseconds, so small orders are not worth one each. Thread-safe.
 */
final class HeapTidy {
  private static final long WORTH_BYTES = 8L << 20;

  private final LongSupplier garbageBytes;
  private final Runnable collect;

  /** Of this process; does nothing where its collector has no old generation of its own. */
  HeapTidy() {
    this(oldGeneration(), System::gc);
  }

  /**
   * Of any heap.
   *
   * @param garbageBytes that came to the old generation since it was last collected
   */
  HeapTidy(LongSupplier garbageBytes, Runnable collect) {
    this.garbageBytes = garbageBytes;
    this.collect = collect;
  }

  private static LongSupplier oldGeneration() {
    Optional<MemoryPoolMXBean> old =
        ManagementFactory.getMemoryPoolMXBeans().stream()
            .filter(pool -> pool.getType() == MemoryType.HEAP && pool.getName().contains("Tenured"))
            .findFirst();
    return () -> old.map(HeapTidy::sinceCollection).orElse(0L);
  }

  private static long sinceCollection(MemoryPoolMXBean pool) {
    MemoryUsage collected = pool.getCollectionUsage();
    return pool.getUsage().getUsed() - (collected == null ? 0 : collected.getUsed());
  }

  /** Nothing runs any more. */
  void idle() {
    if (garbageBytes.getAsLong() >= WORTH_BYTES) {
      collect.run();
    }
  }
}
