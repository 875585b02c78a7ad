package dev.longtake.worker.exchange.shared;

/** How shared memory is divided: a head with the token that proves that it is the memory meant, then the slots. */
final class SharedLayout {
  static final int TOKEN_BYTES = 16;

  /** A page, so that slots begin at one. */
  static final int HEAD_BYTES = 4096;

  private SharedLayout() {}
}
