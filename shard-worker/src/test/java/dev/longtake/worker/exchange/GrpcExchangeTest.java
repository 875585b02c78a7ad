package dev.longtake.worker.exchange;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.tls.TlsIdentity;
import dev.longtake.worker.engine.Exchange;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.jspecify.annotations.Nullable;

class GrpcExchangeTest extends ExchangeTransportContract {
  static final ExchangeSettings SETTINGS =
      new ExchangeSettings(CHUNK_BYTES, WINDOW_CHUNKS, 1, false, LONG, LONG, 64);

  /** What the gang is made with. */
  ExchangeSettings settings() {
    return SETTINGS;
  }

  /** Of every rank; null for plain text. */
  @Nullable TlsIdentity tls() {
    return null;
  }

  @Override
  Gang gang(int ranks, Duration timeout) {
    return new LoopbackGang(ranks, timeout, settings(), tls());
  }

  private static final class LoopbackGang implements Gang {
    private final LoopbackWorkers workers;
    private final List<GrpcGang> exchanges = new ArrayList<>();

    LoopbackGang(
        int ranks, Duration timeout, ExchangeSettings settings, @Nullable TlsIdentity tls) {
      workers =
          new LoopbackWorkers(Collections.<@Nullable TlsIdentity>nCopies(ranks, tls), settings);
      for (int rank = 0; rank < ranks; rank++) {
        exchanges.add(
            workers.hub(rank).open("j1", 1, rank, GangMember.at(workers.addresses()), 2, timeout));
      }
    }

    @Override
    public Exchange exchange(int rank) {
      return exchanges.get(rank).lane(0);
    }

    @Override
    public Exchange otherLane(int rank) {
      return exchanges.get(rank).lane(1);
    }

    @Override
    public long sentBytes(int rank) {
      return exchanges.get(rank).sentBytes();
    }

    @Override
    public void leave(int rank) {
      exchanges.get(rank).close();
    }

    @Override
    public String nameOf(int rank) {
      return "rank %d at %s".formatted(rank, workers.address(rank));
    }

    @Override
    public void kill(int rank) {
      workers.server(rank).shutdownNow();
    }

    @Override
    public void abort(int rank, LongtakeException reason) {
      exchanges.get(rank).abort(reason);
    }

    @Override
    public long queuedBytes(int rank) {
      return (long) exchanges.get(rank).queuedChunks() * CHUNK_BYTES;
    }

    @Override
    public long peakBytes(int rank) {
      return exchanges.get(rank).peakBytes();
    }

    @Override
    public void close() {
      exchanges.forEach(GrpcGang::close);
      assertThat(exchanges).allMatch(gang -> gang.heldBytes() == 0);
      workers.close();
    }
  }
}
