package dev.longtake.ops.bench;

/**
 * Sizes of an exchange benchmark.
 *
 * @param payloadBytes sent at one exchange point
 * @param chunkBytes of one message
 * @param repeats exchange points in a round
 * @param firstWarmUps rounds of streams before those that count: where processors are few, compiling gRPC and Netty takes time from
 *     them for many gigabytes
 * @param rounds of each transport, alternating, after some that warm up
 * @param pingBytes of a small message
 * @param pings there and back in a round
 * @param pairBytes from each process to each other in an all-to-all
 */
record ExchangeSizes(
    long payloadBytes,
    int chunkBytes,
    int repeats,
    int firstWarmUps,
    int rounds,
    int pingBytes,
    int pings,
    long pairBytes) {
  /** A gigabyte a round. */
  static final ExchangeSizes FULL =
      new ExchangeSizes(128L << 20, 1 << 20, 8, 15, 7, 4 << 10, 3000, 32L << 20);
}
