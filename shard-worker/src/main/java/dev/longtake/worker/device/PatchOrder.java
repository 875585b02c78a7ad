package dev.longtake.worker.device;

/** How the values of a patch are ordered in its row; the last axis named is the fastest. */
public enum PatchOrder {
  /** Frame, row, column, channel. */
  CHANNEL_LAST,
  /** Channel, frame, row, column. */
  CHANNEL_FIRST
}
