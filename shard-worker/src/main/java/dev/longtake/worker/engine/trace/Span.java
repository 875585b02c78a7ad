package dev.longtake.worker.engine.trace;

/**
 * What a lane did between two instants of {@link System#nanoTime}.
 *
 * @param name operation and place: {@code "Project spatial_blocks.0.attn.qkv"}
 * @param lane part of the batch; the last one is the sampling loop
 * @param step from 1; 0: before the first
 */
public record Span(String name, Kind kind, int lane, int step, long startNanos, long endNanos) {
  /** What the time was spent on. */
  public enum Kind {
    COMPUTE,
    /** Bytes were under way. */
    EXCHANGE,
    /** A peer was waited for that had not come to the same point, or the device. */
    WAIT
  }

  long nanos() {
    return endNanos - startNanos;
  }
}
