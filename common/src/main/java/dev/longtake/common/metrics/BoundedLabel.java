package dev.longtake.common.metrics;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Values of a label that others choose, tenants for example: the first ones have series of their own, all later ones share {@link #OTHER}.
 * Thread-safe.
 */
public final class BoundedLabel {
  /** The value of those that are too many. */
  public static final String OTHER = "other";

  private final int limit;
  private final Set<String> known = ConcurrentHashMap.newKeySet();

  /** @param limit of values, {@link #OTHER} not counted */
  public BoundedLabel(int limit) {
    this.limit = limit;
  }

  /** The value itself, or {@link #OTHER}. */
  public String of(String value) {
    if (known.contains(value)) {
      return value;
    }
    synchronized (known) {
      if (known.size() >= limit) {
        return OTHER;
      }
      known.add(value);
      return value;
    }
  }
}
