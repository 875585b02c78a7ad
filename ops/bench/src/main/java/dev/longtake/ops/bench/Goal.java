package dev.longtake.ops.bench;

/** What a figure should be, in the figure's unit. */
public sealed interface Goal {
  /** The smaller the better, and at most {@code limit}. */
  record AtMost(double limit) implements Goal {}

  /** The larger the better, and at least {@code limit}. */
  record AtLeast(double limit) implements Goal {}

  /** Only measured. */
  record None() implements Goal {}

  static Goal atMost(double limit) {
    return new AtMost(limit);
  }

  static Goal atLeast(double limit) {
    return new AtLeast(limit);
  }

  static Goal none() {
    return new None();
  }

  /** Whether {@code value} reaches the goal; true where there is none. NaN reaches no goal. */
  default boolean isMetBy(double value) {
    return switch (this) {
      case AtMost(double limit) -> value <= limit;
      case AtLeast(double limit) -> value >= limit;
      case None() -> true;
    };
  }
}
