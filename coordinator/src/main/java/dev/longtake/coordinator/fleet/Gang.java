package dev.longtake.coordinator.fleet;

import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Workers reserved for one job, in order of their ranks. Whoever reserved it closes it, which takes the job off the workers; one
 * without jobs is idle. Several jobs may have gangs of the same workers. Thread-safe.
 */
public final class Gang implements AutoCloseable {
  private final Fleet fleet;
  private final String jobId;
  private final List<Member> members;
  private final AtomicBoolean closed = new AtomicBoolean();
  private volatile boolean shared;

  Gang(Fleet fleet, String jobId, List<Member> members) {
    this.fleet = fleet;
    this.jobId = jobId;
    this.members = List.copyOf(members);
  }

  /** In order of their ranks. */
  public List<Member> members() {
    return members;
  }

  /** Ids of the workers, in order of their ranks. */
  public List<String> workerIds() {
    return members.stream().map(Member::id).toList();
  }

  /** The kind of device that all of them have; empty where they differ. */
  public String device() {
    List<String> devices =
        members.stream().map(member -> member.description().getDevice()).distinct().toList();
    return devices.size() == 1 ? devices.getFirst() : "";
  }

  /** Whether the workers are no longer this job's. */
  public boolean isClosed() {
    return closed.get();
  }

  /** Whether the workers had another job at the same time, at any time. */
  public boolean wasShared() {
    return shared;
  }

  void markShared() {
    shared = true;
  }

  /** Closing twice has no effect. */
  @Override
  public void close() {
    if (closed.compareAndSet(false, true)) {
      fleet.release(jobId, members);
    }
  }
}
