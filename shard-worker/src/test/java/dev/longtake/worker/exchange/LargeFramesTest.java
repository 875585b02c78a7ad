package dev.longtake.worker.exchange;

import static dev.longtake.worker.exchange.ExchangeTransportContract.LONG;
import static dev.longtake.worker.exchange.ExchangeTransportContract.failureOf;
import static dev.longtake.worker.exchange.ExchangeTransportContract.receiveFrom;
import static dev.longtake.worker.exchange.ExchangeTransportContract.sendTo;
import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.worker.exchange.FaultyProxy.Fault;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** A chunk is one frame on the wire, however far above the 16 KiB that HTTP/2 begins with. */
@ExtendWith(NoLeaks.class)
final class LargeFramesTest {
  private static final int CHUNK_BYTES = 1 << 20;

  /** The network changes the first frame that is large enough: without one the exchange would succeed. */
  @Test
  void shouldSendChunkAsOneFrame() {
    var settings = new ExchangeSettings(CHUNK_BYTES, 4, 1, false, LONG, LONG, 64);
    try (var workers = new LoopbackWorkers(2, settings);
        var pair =
            new FaultyPair(workers, "j1", 1, 1, LONG, new Fault.Misdirect(CHUNK_BYTES, 3 ^ 5))) {
      sendTo(pair.gang(0).lane(0), 1, new byte[CHUNK_BYTES], "step 3");
      assertThat(failureOf(() -> receiveFrom(pair.gang(1).lane(0), 0, CHUNK_BYTES))).isNotNull();
      assertThat(pair.fromZero().hasStruck()).isTrue();
    }
  }
}
