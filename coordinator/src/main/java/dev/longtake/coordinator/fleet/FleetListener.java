package dev.longtake.coordinator.fleet;

/** Told of changes of the fleet, outside its lock, by the thread that made them. Must not block. */
public interface FleetListener {
  /** {@code member} can be reserved from now on. */
  void joined(Member member);

  /**
   * {@code member} is gone; its channel is closed.
   *
   * @param departure how
   * @param reason for people, for example {@code "it missed 3 heartbeats"}
   */
  void left(Member member, Departure departure, String reason);

  /** Some worker has ended a job, or is trusted again. */
  default void freed() {}

  /** Some worker gets no new work from now on, or gets work again. */
  default void usabilityChanged() {}
}
