package dev.longtake.coordinator.fleet;

/** How a worker's membership ended. */
public enum Departure {
  /** By itself: it was drained, or its process was told to end. */
  LEFT,
  /** Its connection broke, or its heartbeats stopped. */
  LOST,
  /** The coordinator stops, or leads no more. */
  STOPPED
}
