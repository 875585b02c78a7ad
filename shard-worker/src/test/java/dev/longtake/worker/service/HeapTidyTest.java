package dev.longtake.worker.service;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class HeapTidyTest {
  @Test
  void shouldCollectWhenMegabytesWereLeftAndNotForLess() {
    AtomicLong garbage = new AtomicLong();
    AtomicInteger collections = new AtomicInteger();
    HeapTidy tidy =
        new HeapTidy(
            garbage::get,
            () -> {
              garbage.set(0);
              collections.incrementAndGet();
            });

    tidy.idle();
    garbage.set(1 << 20);
    tidy.idle();
    assertThat(collections).hasValue(0);

    garbage.set(20 << 20);
    tidy.idle();
    tidy.idle();
    assertThat(collections).hasValue(1);
  }

  @Test
  void shouldDoNothingOfHarmWithTheCollectorOfThisProcess() {
    new HeapTidy().idle();
  }
}
