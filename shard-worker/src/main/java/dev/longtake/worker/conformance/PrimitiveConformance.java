package dev.longtake.worker.conformance;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.worker.device.Device;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Single functions, run by the device's kernels, the engine's tables and the samplers' schedules. */
final class PrimitiveConformance {
  /** Runs are named after their function; several of one function have a number behind it, {@code pos_embed_2d.1}. */
  private final Map<String, Primitive> functions = new TreeMap<>();

  /** One function of the reference. */
  interface Primitive {
    Comparison compare(GoldenRun run);
  }

  /**
   * What a function's outputs were held against.
   *
   * @param notCompared outputs without a counterpart, and why
   */
  record Comparison(List<TensorCheck> checks, Map<String, String> notCompared) {
    static Comparison of(List<TensorCheck> checks) {
      return new Comparison(checks, Map.of());
    }

    /** Of the one output that most functions have. */
    static Comparison of(GoldenRun run, float[] ours, double tolerance) {
      return of(List.of(check(run, "out", ours, tolerance)));
    }
  }

  PrimitiveConformance(Device device, double tolerance) {
    functions.putAll(new NormPrimitives(device, tolerance).functions());
    functions.putAll(new PositionPrimitives(device, tolerance).functions());
    functions.putAll(new PatchPrimitives(device, tolerance).functions());
    functions.putAll(SchedulePrimitives.functions(tolerance));
  }

  /**
   * Runs one function.
   *
   * @throws LongtakeException INVALID_MODEL when the function is unknown
   */
  RunReport run(String golden, GoldenRun run) {
    Primitive function = functions.get(run.name().replaceFirst("\\..*", ""));
    if (function == null) {
      throw new LongtakeException(
          ErrorCode.INVALID_MODEL,
          "Expected runs of the functions %s in %s, but got '%s'; remove it from the manifest"
              .formatted(String.join(", ", functions.keySet()), golden, run.name()));
    }
    Comparison comparison = function.compare(run);
    return new RunReport(golden, run.name(), comparison.checks(), comparison.notCompared());
  }

  static TensorCheck check(GoldenRun run, String output, float[] ours, double tolerance) {
    return TensorCheck.compare(output, ours, run.output(output).values(), tolerance);
  }
}
