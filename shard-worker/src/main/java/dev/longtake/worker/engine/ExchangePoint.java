package dev.longtake.worker.engine;

/**
 * One exchange under way: what comes is taken in from the beginning on, what goes out leaves as it is written. For one thread, which
 * closes it: once it is closed nothing reads or writes the segments any more.
 */
public interface ExchangePoint extends AutoCloseable {
  /**
   * The first bytes of what goes to a peer are written and may leave. Does not block, and fails only where {@link #await} would.
   *
   * @param bytes of {@code outgoing[peer]}, at least those that were ready before; they may not be written any more
   */
  void ready(int peer, long bytes);

  /**
   * Lets leave whatever has not, and waits until all has come. Called once.
   *
   * @return as {@link Exchange#allToAll}, nanoseconds since this call
   */
  long await();

  /** Before {@link #await} it fails the exchange: the peers would wait for what does not come. */
  @Override
  void close();
}
