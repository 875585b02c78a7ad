package dev.longtake.common.model;

/**
 * What a request may ask of a model.
 *
 * @param height pixels
 * @param width pixels
 * @param frames video frames
 */
public record ModelLimits(IntLimit height, IntLimit width, IntLimit frames) {

  /** An inclusive range of multiples. */
  public record IntLimit(int min, int max, int multipleOf) {
    public IntLimit {
      if (min < 1 || max < min || multipleOf < 1) {
        throw new IllegalArgumentException(
            "Expected 1 <= min <= max and 1 <= multipleOf, but got %d, %d, %d"
                .formatted(min, max, multipleOf));
      }
    }

    public boolean allows(int value) {
      return value >= min && value <= max && value % multipleOf == 0;
    }

    /** For people: {@code 32 to 256 in multiples of 16}. */
    @Override
    public String toString() {
      return multipleOf == 1
          ? "%d to %d".formatted(min, max)
          : "%d to %d in multiples of %d".formatted(min, max, multipleOf);
    }
  }
}
