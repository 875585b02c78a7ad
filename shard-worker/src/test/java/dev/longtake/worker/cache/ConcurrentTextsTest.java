package dev.longtake.worker.cache;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.v1.CacheStatus;
import dev.longtake.worker.engine.exec.PreparedTexts;
import dev.longtake.worker.engine.exec.TextPreparation;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Several orders that want the same text at the same time. */
class ConcurrentTextsTest {
  private static final int ORDERS = 8;

  private final TextLab lab = new TextLab();
  private final ExecutorService threads = Executors.newFixedThreadPool(ORDERS);
  private final CountDownLatch preparing = new CountDownLatch(1);
  private final CountDownLatch mayGoOn = new CountDownLatch(1);
  private final AtomicInteger preparations = new AtomicInteger();

  @AfterEach
  void close() throws InterruptedException {
    threads.shutdown();
    assertThat(threads.awaitTermination(1, TimeUnit.MINUTES)).isTrue();
    lab.close();
  }

  /** Gives the device up in between, as a device would whose kernels run on their own. */
  private TextPreparation slow() {
    return lab.preparation(_ -> {
      preparations.incrementAndGet();
      preparing.countDown();
      lab.turn.give();
      try {
        assertThat(mayGoOn.await(1, TimeUnit.MINUTES)).isTrue();
      } catch (InterruptedException e) {
        throw new AssertionError(e);
      } finally {
        lab.turn.take();
      }
    });
  }

  private List<Future<PreparedTexts.Lease>> startAll(ConditionCache cache, TextPreparation how)
      throws InterruptedException {
    List<Future<PreparedTexts.Lease>> orders = new ArrayList<>();
    orders.add(threads.submit(() -> lab.lease(cache, lab.text(1), how)));
    assertThat(preparing.await(1, TimeUnit.MINUTES)).isTrue();
    for (int order = 1; order < ORDERS; order++) {
      orders.add(threads.submit(() -> lab.lease(cache, lab.text(1), how)));
    }
    return orders;
  }

  @Test
  void shouldPrepareATextOnceWhenManyOrdersWantItAtOnce() throws Exception {
    ConditionCache cache = lab.cache(4 * lab.textBytes());
    List<Future<PreparedTexts.Lease>> orders = startAll(cache, slow());

    // The device is free for another text meanwhile.
    lab.touch(cache, lab.text(2));
    mayGoOn.countDown();

    for (Future<PreparedTexts.Lease> order : orders) {
      order.get(1, TimeUnit.MINUTES).close();
    }
    assertThat(preparations).hasValue(1);
    assertThat(cache.status())
        .returns(2L, CacheStatus::getLoads)
        .returns(ORDERS - 1L, CacheStatus::getHits);
    lab.assertConsistent(cache);
  }

  @Test
  void shouldFailItsOwnWaitersOnlyWhenPreparingFails() throws Exception {
    ConditionCache cache = lab.cache(4 * lab.textBytes());
    TextPreparation slow = slow();
    TextPreparation failing =
        lab.preparation(text -> {
          slow.prepare(text).close();
          throw new LongtakeException(ErrorCode.OUT_OF_MEMORY, "no room");
        });
    List<Future<PreparedTexts.Lease>> orders = startAll(cache, failing);
    lab.touch(cache, lab.text(2));
    mayGoOn.countDown();

    for (Future<PreparedTexts.Lease> order : orders) {
      assertThatThrownBy(() -> order.get(1, TimeUnit.MINUTES))
          .isInstanceOf(ExecutionException.class)
          .cause()
          .isInstanceOfSatisfying(
              LongtakeException.class,
              failure -> assertThat(failure.code()).isEqualTo(ErrorCode.OUT_OF_MEMORY));
    }
    assertThat(cache.status().getFailedLoads()).isPositive();
    assertThat(cache.status()).returns(1L, CacheStatus::getEntries);
    // Not kept: the next order tries anew.
    lab.touch(cache, lab.text(1));
    assertThat(cache.status()).returns(2L, CacheStatus::getEntries);
    lab.assertConsistent(cache);
  }
}
