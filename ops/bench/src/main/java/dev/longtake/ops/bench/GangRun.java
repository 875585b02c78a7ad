package dev.longtake.ops.bench;

import com.google.protobuf.Duration;
import com.google.protobuf.util.Durations;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.v1.WorkFinished;
import dev.longtake.worker.conformance.Captured;
import dev.longtake.worker.conformance.SliceAssembly;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/**
 * What the workers of a job sent back, in order of their ranks.
 *
 * @param ranks one result each
 */
record GangRun(List<WorkerProcess.Result> ranks) {
  GangRun {
    ranks = List.copyOf(ranks);
  }

  WorkFinished finished(int rank) {
    return ranks.get(rank).finished();
  }

  /** From the first step to the last on the slowest rank. */
  double samplingSeconds() {
    return ranks.stream()
        .mapToDouble(rank -> seconds(rank.finished().getSampling()))
        .max()
        .orElse(Double.NaN);
  }

  /** The part of a rank's time between its first step and its last that {@code part} is; 0 to 1. */
  double share(int rank, Function<WorkFinished, Duration> part) {
    WorkFinished finished = finished(rank);
    return seconds(part.apply(finished)) / seconds(finished.getSampling());
  }

  static double seconds(Duration duration) {
    return Durations.toNanos(duration) / 1e9;
  }

  /** The captured tensors, whole. */
  Map<String, Captured> captured() {
    SliceAssembly assembly = new SliceAssembly();
    ranks.forEach(rank -> rank.tensors().forEach(assembly::add));
    return assembly.assemble();
  }

  /**
   * Checks that a captured tensor has the same bits as another run's, and that they are numbers.
   *
   * @param what the run is called in messages
   * @throws LongtakeException INTERNAL when it is missing, not finite or different
   */
  void requireSame(GangRun expected, String tensor, String what) {
    float[] mine = values(tensor, what);
    float[] theirs = expected.values(tensor, "the run it is compared with");
    int at = Arrays.mismatch(mine, theirs);
    if (at >= 0) {
      throw new LongtakeException(
          ErrorCode.INTERNAL,
          "Expected the same bits from %s as from one worker, but '%s' of %d values differs from %d at value %d"
              .formatted(what, tensor, mine.length, theirs.length, at));
    }
  }

  /**
   * A captured tensor's values.
   *
   * @param what the run is called in messages
   * @throws LongtakeException INTERNAL when it is missing or not finite
   */
  float[] values(String tensor, String what) {
    Captured captured = captured().get(tensor);
    if (captured == null) {
      throw new LongtakeException(
          ErrorCode.INTERNAL, "Expected '%s' from %s, but it is missing".formatted(tensor, what));
    }
    for (float value : captured.values()) {
      if (!Float.isFinite(value)) {
        throw new LongtakeException(
            ErrorCode.INTERNAL,
            "Expected finite numbers in '%s' of %s, but got %s".formatted(tensor, what, value));
      }
    }
    return captured.values();
  }
}
