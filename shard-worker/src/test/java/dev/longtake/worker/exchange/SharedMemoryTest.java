package dev.longtake.worker.exchange;

/** The same with whole chunks in memory that both sides share, and what is less in messages. */
final class SharedMemoryTest extends GrpcExchangeTest {
  @Override
  ExchangeSettings settings() {
    return SETTINGS.withSharedMemory(true);
  }
}
