package dev.longtake.ops.bench.exchange;

/** What the exchange's chunks go through. */
public enum Transport {
  SOCKETS,
  /** Memory that both processes see. */
  SHARED_MEMORY,
  /** Sockets with mutual TLS. */
  TLS
}
