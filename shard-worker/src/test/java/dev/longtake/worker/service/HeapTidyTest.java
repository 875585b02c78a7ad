package dev.longtake.worker.service;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.management.MemoryPoolMXBean;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class HeapTidyTest {
  private static final int LARGE_BYTES = 32 << 20;

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
  void shouldFreeWhatALargeOrderLeftWithTheCollectorOfWorkers()
      throws IOException, InterruptedException {
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:+UseSerialGC",
                "-Xmn8m",
                "-Xmx128m",
                "-cp",
                System.getProperty("java.class.path"),
                Worker.class.getName())
            .redirectError(ProcessBuilder.Redirect.DISCARD)
            .start();
    String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);

    assertThat(process.waitFor(1, TimeUnit.MINUTES)).isTrue();
    List<Long> bytes = said.lines().map(Long::valueOf).toList();
    assertThat(bytes).hasSize(2);
    assertThat(bytes.getFirst()).as("before").isGreaterThanOrEqualTo(LARGE_BYTES);
    assertThat(bytes.getLast()).as("after").isLessThan(LARGE_BYTES);
  }

  /** A process whose array is too large for its young generation; prints what the old one holds before and after. */
  static final class Worker {
    private Worker() {}

    public static void main(String[] arguments) {
      HeapTidy tidy = new HeapTidy();
      byte[] order = new byte[LARGE_BYTES];
      long before = oldBytes() + order[0];
      order = new byte[0];
      tidy.idle();
      System.out.println(before);
      System.out.println(oldBytes() + order.length);
    }

    private static long oldBytes() {
      return ManagementFactory.getMemoryPoolMXBeans().stream()
          .filter(pool -> pool.getName().contains("Tenured"))
          .mapToLong((MemoryPoolMXBean pool) -> pool.getUsage().getUsed())
          .sum();
    }
  }
}
