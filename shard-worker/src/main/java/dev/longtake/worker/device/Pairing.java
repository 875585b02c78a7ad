package dev.longtake.worker.device;

/** Which two of a head's D channels are turned together; pair k has the angle k, for k below D / 2. */
public enum Pairing {
  /** Channels 2k and 2k + 1. */
  ADJACENT,
  /** Channels k and k + D / 2. */
  HALVES
}
