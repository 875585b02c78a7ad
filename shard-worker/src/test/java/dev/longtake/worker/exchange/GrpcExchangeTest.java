package dev.longtake.worker.exchange;

import dev.longtake.common.error.LongtakeException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

final class GrpcExchangeTest extends ExchangeTransportContract {
  static final ExchangeSettings SETTINGS =
      new ExchangeSettings(CHUNK_BYTES, WINDOW_CHUNKS, LONG, 16);

  @Override
  Gang gang(int ranks, Duration timeout) {
    return new GrpcGang(ranks, timeout);
  }

  private static final class GrpcGang implements Gang {
    private final LoopbackWorkers workers;
    private final List<GrpcExchange> exchanges = new ArrayList<>();

    GrpcGang(int ranks, Duration timeout) {
      workers = new LoopbackWorkers(ranks, SETTINGS);
      for (int rank = 0; rank < ranks; rank++) {
        exchanges.add(workers.hub(rank).open("j1", 1, rank, workers.addresses(), timeout));
      }
    }

    @Override
    public GrpcExchange exchange(int rank) {
      return exchanges.get(rank);
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
    public void close() {
      exchanges.forEach(GrpcExchange::close);
      workers.close();
    }
  }
}
