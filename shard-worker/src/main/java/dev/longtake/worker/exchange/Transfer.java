package dev.longtake.worker.exchange;

/**
 * What goes to one peer, or comes from it, at one exchange point. The exchange's lock guards all state; methods called "held" want the
 * caller to hold it.
 */
sealed interface Transfer permits Sending, Receiving {
  /** Held. Nothing more has to happen. */
  boolean isDone();

  /**
   * Held. How much longer the peer may be waited for.
   *
   * @throws dev.longtake.common.error.LongtakeException as {@link Peer#patienceNanos}
   */
  long patienceNanos();
}
