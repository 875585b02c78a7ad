package dev.longtake.coordinator.fleet;

import java.util.List;

/**
 * Workers reserved for one job, in order of their ids, which is the order of their ranks. Whoever reserved it closes it,
 * which makes the workers idle again. Not thread-safe.
 */
public final class Gang implements AutoCloseable {
  private final Fleet fleet;
  private final String jobId;
  private List<Member> members;

  Gang(Fleet fleet, String jobId, List<Member> members) {
    this.fleet = fleet;
    this.jobId = jobId;
    this.members = List.copyOf(members);
  }

  /** In order of their ranks; empty after {@link #close}. */
  public List<Member> members() {
    return members;
  }

  /** Releases all but the first {@code count} members, those a plan has no use for. */
  public void trimTo(int count) {
    if (count < 1 || count > members.size()) {
      throw new IllegalArgumentException(
          "Expected to keep 1 to %d members, but got %d".formatted(members.size(), count));
    }
    fleet.release(jobId, members.subList(count, members.size()));
    members = List.copyOf(members.subList(0, count));
  }

  /** Closing twice has no effect. */
  @Override
  public void close() {
    fleet.release(jobId, members);
    members = List.of();
  }
}
