package dev.longtake.coordinator.jobs;

/** Steps of the segment that is made, which need not be done again. For one thread. */
final class KeptSteps {
  private int before;
  private int now;
  private boolean segmentDone;

  /** An attempt at a segment begins with so many. */
  void begin(int steps) {
    before = steps;
    now = steps;
  }

  void end(int steps) {
    now = steps;
  }

  /** The segment is kept, whole. */
  void segmentDone() {
    begin(0);
    segmentDone = true;
  }

  int steps() {
    return now;
  }

  /** Whether more is kept than when the job was started. */
  boolean hasGrown() {
    return segmentDone || now > before;
  }
}
