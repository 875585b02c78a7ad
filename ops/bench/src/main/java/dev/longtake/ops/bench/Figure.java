package dev.longtake.ops.bench;

/**
 * One measured number.
 *
 * @param name dotted, the benchmark's name first, for example {@code demo.seconds}; never changes its meaning
 * @param value in {@code unit}; NaN when it can't be measured on this machine
 * @param unit for example {@code s}, {@code bytes}, {@code bytes/token}
 * @param goal what it should be
 */
public record Figure(String name, double value, String unit, Goal goal) {
  public Figure {
    if (!name.matches("[a-z0-9_]+(\\.[a-z0-9_]+)+")) {
      throw new IllegalArgumentException(
          "Expected a dotted name in lower case, but got '%s'".formatted(name));
    }
  }

  /** Whether the goal is reached; true where there is none. */
  public boolean met() {
    return goal.isMetBy(value);
  }
}
