package dev.longtake.common.partition;

/**
 * Indices from {@code start} (inclusive) to {@code end} (exclusive); may be empty.
 */
public record Range(int start, int end) {
  public Range {
    if (start < 0 || end < start) {
      throw new IllegalArgumentException(
          "Expected 0 <= start <= end, but got " + start + ", " + end);
    }
  }

  public int size() {
    return end - start;
  }

  public boolean isEmpty() {
    return start == end;
  }
}
