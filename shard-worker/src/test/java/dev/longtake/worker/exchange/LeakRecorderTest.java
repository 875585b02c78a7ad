package dev.longtake.worker.exchange;

import static org.assertj.core.api.Assertions.assertThat;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.PooledByteBufAllocator;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The detector that other tests rely on does find a leak. */
final class LeakRecorderTest {
  @Test
  void shouldTellOnceWhenABufferIsLeaked() {
    List<String> before = List.copyOf(LeakRecorder.collect());
    leak();
    var found = new ArrayList<String>();
    ExchangeTransportContract.until(() -> found.addAll(LeakRecorder.collect()));
    assertThat(before).isEmpty();
    assertThat(found).singleElement().asString().contains("ByteBuf").contains("the leaked one");
    assertThat(LeakRecorder.collect()).isEmpty();
  }

  /** In a method of its own: no reference stays behind on the stack. */
  private static void leak() {
    ByteBuf leaked = PooledByteBufAllocator.DEFAULT.directBuffer(64);
    leaked.touch("the leaked one");
  }
}
