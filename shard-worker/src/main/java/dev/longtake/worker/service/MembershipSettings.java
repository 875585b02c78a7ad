package dev.longtake.worker.service;

import java.time.Duration;

/**
 * How patiently a worker joins its coordinator.
 *
 * @param firstJoinTimeout how long a worker that just started looks for its coordinator before it gives up
 * @param minBackoff the first pause between two tries; each next one is twice as long
 * @param maxBackoff the longest pause
 */
public record MembershipSettings(
    Duration firstJoinTimeout, Duration minBackoff, Duration maxBackoff) {
  /** 20 s for the first join; pauses from 100 ms to 5 s. */
  public static MembershipSettings defaults() {
    return new MembershipSettings(
        Duration.ofSeconds(20), Duration.ofMillis(100), Duration.ofSeconds(1));
  }
}
