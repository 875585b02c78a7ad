package dev.longtake.worker.exchange;

/** The same with chunks spread over three connections to each peer, each with shared memory of its own. */
final class SeveralConnectionsTest extends GrpcExchangeTest {
  @Override
  ExchangeSettings settings() {
    return SETTINGS.withConnections(3).withSharedMemory(true);
  }
}
