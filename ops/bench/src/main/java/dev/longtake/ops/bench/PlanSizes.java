package dev.longtake.ops.bench;

import java.util.List;

/**
 * Sizes of a plan benchmark.
 *
 * @param channels of the model
 * @param heads of its attention
 * @param pairs of spatial and temporal blocks
 * @param clips that predictions are compared at; plans are chosen for the first one
 * @param steps of a job
 * @param rounds in which every plan runs once
 * @param gigabits per second of the links that plans are chosen for
 */
record PlanSizes(
    int channels,
    int heads,
    int pairs,
    List<Clip> clips,
    int steps,
    int rounds,
    List<Double> gigabits) {
  PlanSizes {
    clips = List.copyOf(clips);
    gigabits = List.copyOf(gigabits);
  }

  /**
   * A video's size.
   *
   * @param height pixels
   * @param width pixels
   */
  record Clip(int frames, int height, int width) {
    /** For figures' names. */
    @Override
    public String toString() {
      return "%dx%dx%d".formatted(frames, height, width);
    }
  }

  /** Open-Sora 1.2's width with two pairs of blocks: a step takes a second or two on one core of 2026's servers. */
  static final PlanSizes OPEN_SORA =
      new PlanSizes(
          /* channels= */ 1152,
          /* heads= */ 16,
          /* pairs= */ 2,
          List.of(new Clip(8, 160, 160), new Clip(15, 96, 128)),
          /* steps= */ 3,
          /* rounds= */ 3,
          List.of(1.0, 10.0, 25.0));

  int blocks() {
    return 2 * pairs;
  }
}
