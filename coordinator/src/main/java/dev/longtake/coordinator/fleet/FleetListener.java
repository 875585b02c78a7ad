package dev.longtake.coordinator.fleet;

/** Told of every change of membership, outside the fleet's lock, by the thread that made it. Must not block. */
public interface FleetListener {
  /** {@code member} can be reserved from now on. */
  void joined(Member member);

  /**
   * {@code member} is gone; its channel is closed.
   *
   * @param reason for people, for example {@code "it missed 3 heartbeats"}
   */
  void left(Member member, String reason);
}
