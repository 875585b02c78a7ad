package dev.longtake.worker.cache;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.v1.CacheStatus;
import dev.longtake.v1.TextWork;
import dev.longtake.worker.engine.exec.PreparedTexts;
import dev.longtake.worker.engine.exec.TextRow;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class ConditionCacheTest {
  private final TextLab lab = new TextLab();

  @AfterEach
  void close() {
    lab.close();
  }

  @Test
  void shouldPrepareATextOnceForAllOrders() {
    ConditionCache cache = lab.cache(10 * lab.textBytes());
    OrderTexts first = cache.forOrder(lab.turn);
    OrderTexts second = cache.forOrder(lab.turn);
    lab.turn.take();

    try (PreparedTexts.Lease a = first.lease(lab.text(1), lab.preparation());
        PreparedTexts.Lease b = second.lease(lab.text(1), lab.preparation())) {
      assertThat(a.text()).isSameAs(b.text());
    }

    int projections = lab.program.text().size();
    assertThat(first.work())
        .returns(1, TextWork::getPrepared)
        .returns(0, TextWork::getReused)
        .returns((long) projections, TextWork::getProjections);
    assertThat(second.work())
        .returns(0, TextWork::getPrepared)
        .returns(1, TextWork::getReused)
        .returns(0L, TextWork::getProjections);
    assertThat(cache.status())
        .returns(1L, CacheStatus::getHits)
        .returns(1L, CacheStatus::getMisses)
        .returns(1L, CacheStatus::getLoads)
        .returns(1L, CacheStatus::getEntries)
        .returns(lab.textBytes(), CacheStatus::getBytes)
        .returns(0L, CacheStatus::getPinnedBytes);
    lab.assertConsistent(cache);
  }

  @Test
  void shouldStoreRealTokensOnly() {
    ConditionCache cache = lab.cache(10 * lab.textBytes());

    lab.touch(cache, lab.text(1));

    assertThat(cache.status().getBytes()).isEqualTo(lab.textBytes()).isLessThan(lab.nullBytes());
  }

  @Test
  void shouldKeepOneNullTextForBranchesOfEveryLength() {
    ConditionCache cache = lab.cache(4 * lab.nullBytes());

    lab.touch(cache, new TextRow.Null(2), new TextRow.Null(7), new TextRow.Null(1));

    assertThat(cache.status())
        .returns(1L, CacheStatus::getLoads)
        .returns(2L, CacheStatus::getHits)
        .returns(lab.nullBytes(), CacheStatus::getPinnedBytes);
  }

  @Test
  void shouldReturnMemoryAtOnceWhenEntriesAreEvictedAndKeepTheUnconditionalText() {
    ConditionCache cache = lab.cache(2 * lab.nullBytes() + lab.textBytes());
    lab.touch(cache, new TextRow.Null(1));

    for (int seed = 0; seed < 100; seed++) {
      lab.touch(cache, lab.text(seed));
      lab.assertConsistent(cache);
    }

    assertThat(cache.status().getEvictions()).isPositive();
    long loads = cache.status().getLoads();
    lab.touch(cache, new TextRow.Null(3));
    assertThat(cache.status().getLoads()).isEqualTo(loads);
  }

  @Test
  void shouldNeverEvictWhatAnOrderUses() {
    ConditionCache cache = lab.cache(2 * lab.textBytes());
    try (PreparedTexts.Lease used = lab.lease(cache, lab.text(-1))) {
      for (int seed = 0; seed < 20; seed++) {
        lab.touch(cache, lab.text(seed));
        lab.assertConsistent(cache);
        assertThat(cache.status().getPinnedBytes()).isEqualTo(lab.textBytes());
      }
      long loads = cache.status().getLoads();
      try (PreparedTexts.Lease again = lab.lease(cache, lab.text(-1))) {
        assertThat(again.text()).isSameAs(used.text());
      }
      assertThat(cache.status().getLoads()).isEqualTo(loads);
    }
    assertThat(cache.status().getPinnedBytes()).isZero();
  }

  @Test
  void shouldHoldNoMoreThanTheOrdersUseWhenTheyUseMoreThanTheLimit() {
    ConditionCache cache = lab.cache(2 * lab.textBytes());
    List<PreparedTexts.Lease> leases = new ArrayList<>();
    for (int seed = 0; seed < 5; seed++) {
      leases.add(lab.lease(cache, lab.text(seed)));
      lab.assertConsistent(cache);
    }

    assertThat(cache.status().getBytes()).isEqualTo(5 * lab.textBytes());
    leases.forEach(PreparedTexts.Lease::close);
    lab.assertConsistent(cache);
    assertThat(cache.status().getBytes()).isBetween(1L, 2 * lab.textBytes());
  }

  @Test
  void shouldGiveMemoryToAPlanThatNeedsItTheUnconditionalTextLast() {
    ConditionCache cache = lab.cache(4 * lab.nullBytes());
    lab.touch(cache, new TextRow.Null(1), lab.text(1), lab.text(2), lab.text(3));
    long limit = lab.device.memory().limitBytes();
    long cached = cache.status().getBytes();
    long free = limit - lab.device.memory().usedBytes();

    try (var _ = lab.device.memory().allocate(free + 1, "plan")) {
      assertThat(cache.status().getBytes()).isBetween(lab.nullBytes(), cached - 1);
    }
    try (PreparedTexts.Lease used = lab.lease(cache, lab.text(4))) {
      long unused = cache.status().getBytes() - lab.textBytes();
      long left = limit - lab.device.memory().usedBytes();
      try (var _ = lab.device.memory().allocate(left + unused, "plan")) {
        assertThat(cache.status().getBytes()).isEqualTo(lab.textBytes());
        // What a job reads is no longer the cache's to give.
        assertThatThrownBy(() -> lab.device.memory().allocate(1, "plan"))
            .isInstanceOf(LongtakeException.class)
            .hasMessageContaining("condition=" + lab.textBytes());
        assertThat(used.text().sizeBytes()).isEqualTo(lab.textBytes());
      }
    }
    lab.assertConsistent(cache);
  }

  @Test
  void shouldPrepareTheOrdersOwnLengthWhenTheWholeNullTextFindsNoRoom() {
    ConditionCache cache = lab.cache(4 * lab.nullBytes());
    long limit = lab.device.memory().limitBytes();
    // Room for the branch's tokens and what their projection takes beside.
    long room = lab.nullBytes() - 1;
    try (var _ =
            lab.device.memory().allocate(limit - lab.device.memory().usedBytes() - room, "plan");
        PreparedTexts.Lease lease = lab.lease(cache, new TextRow.Null(2))) {
      assertThat(lease.text().sizeBytes()).isLessThan(lab.nullBytes());
      assertThat(cache.status())
          .returns(1L, CacheStatus::getFailedLoads)
          .returns(0L, CacheStatus::getEntries);
    }
    lab.touch(cache, new TextRow.Null(2));
    assertThat(cache.status()).returns(1L, CacheStatus::getEntries);
  }

  @Test
  void shouldDropEntriesThatNobodyUsedForLong() {
    ConditionCache cache =
        lab.cache(4 * lab.textBytes(), "revision", Duration.ofMinutes(5), TextDigest.SHA_256);
    try (PreparedTexts.Lease used = lab.lease(cache, lab.text(1))) {
      lab.touch(cache, lab.text(2));
      lab.nanos.addAndGet(Duration.ofMinutes(6).toNanos());

      assertThat(cache.status())
          .returns(0L, CacheStatus::getEntries)
          .returns(2L, CacheStatus::getEvictions)
          .returns(lab.textBytes(), CacheStatus::getBytes);
      assertThat(used.text().sizeBytes()).isEqualTo(lab.textBytes());
    }
    assertThat(lab.conditionBytes()).isZero();
    assertThat(cache.status().getPinnedBytes()).isZero();
  }

  @Test
  void shouldNotMixUpTextsWhoseDigestsAreEqual() {
    ConditionCache cache = lab.cache(4 * lab.textBytes(), "revision", null, _ -> "the same");

    lab.touch(cache, lab.text(1), lab.text(2), lab.text(1), lab.text(2));

    assertThat(cache.status()).returns(2L, CacheStatus::getLoads);
    assertThat(cache.status()).returns(2L, CacheStatus::getHits);
  }

  @Test
  void shouldTellModelsPrecisionsAndBlockRangesApart() {
    TextKey key =
        new TextKey(
            "one",
            lab.program.text(),
            lab.preparation().blockType(),
            new TextKey.Embedding("digest", 1, List.of(7)));

    assertThat(key)
        .isEqualTo(
            new TextKey("one", List.copyOf(lab.program.text()), key.precision(), key.source()))
        .isNotEqualTo(new TextKey("another", key.text(), key.precision(), key.source()))
        .isNotEqualTo(new TextKey("one", key.text().subList(0, 2), key.precision(), key.source()))
        .isNotEqualTo(
            new TextKey("one", key.text(), dev.longtake.common.tensor.DType.BF16, key.source()))
        .isNotEqualTo(new TextKey("one", key.text(), key.precision(), new TextKey.NullText()));
  }

  @Test
  void shouldKeepNothingWhenItIsOffOrTheTextIsLargerThanTheCache() {
    for (long limit : new long[] {0, lab.textBytes() - 1}) {
      ConditionCache cache = lab.cache(limit);
      lab.touch(cache, lab.text(1), lab.text(1));

      assertThat(lab.conditionBytes()).isZero();
      assertThat(cache.status()).returns(0L, CacheStatus::getLoads);
    }
  }

  @Test
  void shouldRefuseACacheLargerThanTheDevicesMemory() {
    long limit = lab.device.memory().limitBytes();

    assertThatThrownBy(() -> lab.cache(limit + 1))
        .isInstanceOfSatisfying(
            LongtakeException.class,
            failure -> assertThat(failure.code()).isEqualTo(ErrorCode.INVALID_REQUEST))
        .hasMessageContaining(Long.toString(limit))
        .hasMessageContaining("--condition-cache");
  }

  @Test
  void shouldStayConsistentThroughRandomUse() {
    for (int seed = 0; seed < 20; seed++) {
      Random random = new Random(seed);
      ConditionCache cache = lab.cache(lab.nullBytes() + random.nextInt(8) * lab.textBytes());
      List<PreparedTexts.Lease> leases = new ArrayList<>();
      for (int operation = 0; operation < 200; operation++) {
        if (!leases.isEmpty() && random.nextInt(2) == 0) {
          leases.remove(random.nextInt(leases.size())).close();
        } else {
          int which = random.nextInt(12);
          TextRow text = which == 0 ? new TextRow.Null(1 + random.nextInt(9)) : lab.text(which);
          leases.add(lab.lease(cache, text));
        }
        lab.assertConsistent(cache);
      }
      leases.forEach(PreparedTexts.Lease::close);
      lab.assertConsistent(cache);
      cache.close();
      assertThat(lab.conditionBytes()).as("seed %d", seed).isZero();
    }
  }
}
