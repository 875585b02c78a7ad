package dev.longtake.ops.bench;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Supplier;

/**
 * Several that do the same, round by round one after another, so that a machine that gets slower gets slower for all. Their results
 * must agree. For one thread.
 */
final class Turns {
  /**
   * What one of them did in its turn.
   *
   * @param values it computed
   */
  record Outcome(double seconds, float[] values) {}

  private final double tolerance;
  private final Map<String, Supplier<Outcome>> contenders = new LinkedHashMap<>();
  private final Map<String, List<Double>> seconds = new LinkedHashMap<>();
  private double worstError;

  /**
   * @param tolerance as {@link #error} has it
   */
  Turns(double tolerance) {
    this.tolerance = tolerance;
  }

  /** Adds one; the others' results are compared with the first one's. */
  void add(String name, Supplier<Outcome> contender) {
    contenders.put(name, contender);
    seconds.put(name, new ArrayList<>());
  }

  /**
   * Lets them run.
   *
   * @param warmUps rounds that don't count
   * @param rounds that do
   * @throws LongtakeException INTERNAL when results don't agree
   */
  void run(int warmUps, int rounds) {
    for (int round = 0; round < warmUps + rounds; round++) {
      float[] expected = null;
      for (Map.Entry<String, Supplier<Outcome>> contender : contenders.entrySet()) {
        Outcome outcome = contender.getValue().get();
        expected = expected == null ? outcome.values() : expected;
        requireAgreement(contender.getKey(), outcome.values(), expected);
        if (round >= warmUps) {
          Objects.requireNonNull(seconds.get(contender.getKey())).add(outcome.seconds());
        }
      }
    }
  }

  private void requireAgreement(String name, float[] values, float[] expected) {
    double error = error(values, expected);
    // A NaN is no agreement.
    if (!(error <= tolerance)) {
      throw new LongtakeException(
          ErrorCode.INTERNAL,
          "Expected %s to agree with %s within %.1e of the largest value, but the error is %.1e"
              .formatted(name, contenders.keySet().iterator().next(), tolerance, error));
    }
    worstError = Math.max(worstError, error);
  }

  /** The greatest difference, as a part of the greatest expected value; NaN where a value is none or is missing. */
  static double error(float[] values, float[] expected) {
    double difference = values.length == expected.length ? 0 : Double.NaN;
    double greatest = 0;
    for (int i = 0; i < Math.min(values.length, expected.length); i++) {
      difference = Math.max(difference, Math.abs((double) values[i] - expected[i]));
      greatest = Math.max(greatest, Math.abs((double) expected[i]));
    }
    return difference == 0 ? 0 : difference / greatest;
  }

  boolean has(String name) {
    return contenders.containsKey(name);
  }

  /** The median of the rounds that counted. */
  double seconds(String name) {
    return Medians.of(Objects.requireNonNull(seconds.get(name), name));
  }

  /** Of all rounds. */
  double worstError() {
    return worstError;
  }
}
