package dev.longtake.worker.cache;

import com.google.protobuf.util.Durations;
import dev.longtake.v1.TextWork;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/** What one order did for its texts. Thread-safe. */
final class TextCounts {
  private final AtomicInteger reused = new AtomicInteger();
  private final AtomicInteger prepared = new AtomicInteger();
  private final AtomicLong projections = new AtomicLong();
  private final AtomicLong nanos = new AtomicLong();

  void reused() {
    reused.incrementAndGet();
  }

  /** @param products that the executor ran for the text */
  void prepared(int products) {
    prepared.incrementAndGet();
    projections.addAndGet(products);
  }

  void spent(long moreNanos) {
    nanos.addAndGet(moreNanos);
  }

  TextWork message() {
    return TextWork.newBuilder()
        .setReused(reused.get())
        .setPrepared(prepared.get())
        .setProjections(projections.get())
        .setTime(Durations.fromNanos(nanos.get()))
        .build();
  }
}
