package dev.longtake.worker.cache;

import dev.longtake.common.metrics.CacheMeters;
import dev.longtake.worker.engine.exec.PreparedText;

/**
 * A prepared text that the cache and any number of jobs hold; whoever lets go last frees it. Thread-safe; its lock is taken last, since
 * the cache may drop it in the middle of anything.
 */
final class SharedText {
  private final PreparedText text;
  private final boolean permanent;
  private final CacheMeters meters;

  // All below are guarded by this.
  private boolean cached = true;
  private int users = 1;

  /**
   * Held by the cache and by who made it.
   *
   * @param permanent whether the cache keeps it for room's sake even while nobody uses it
   */
  SharedText(PreparedText text, boolean permanent, CacheMeters meters) {
    this.text = text;
    this.permanent = permanent;
    this.meters = meters;
    meters.addBytes(text.sizeBytes());
    meters.addPinnedBytes(text.sizeBytes());
  }

  PreparedText text() {
    return text;
  }

  boolean isPermanent() {
    return permanent;
  }

  synchronized boolean isInUse() {
    return users > 0;
  }

  /** Whether it weighs nothing. */
  synchronized boolean isPinned() {
    return users > 0 || (cached && permanent);
  }

  /** One user more; false when it is freed already. */
  synchronized boolean tryUse() {
    if (!cached && users == 0) {
      return false;
    }
    boolean wasPinned = isPinned();
    users++;
    settle(wasPinned);
    return true;
  }

  /** One user less. */
  synchronized void endUse() {
    if (users == 0) {
      throw new IllegalStateException("Expected a use to end once, but it ended twice");
    }
    boolean wasPinned = isPinned();
    users--;
    settle(wasPinned);
  }

  /** The cache has let go. */
  synchronized void drop() {
    boolean wasPinned = isPinned();
    cached = false;
    settle(wasPinned);
  }

  private void settle(boolean wasPinned) {
    if (isPinned() != wasPinned) {
      meters.addPinnedBytes(wasPinned ? -text.sizeBytes() : text.sizeBytes());
    }
    if (!cached && users == 0) {
      meters.addBytes(-text.sizeBytes());
      text.close();
    }
  }
}
