package dev.longtake.worker.conformance;

import dev.longtake.v1.Precision;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.cpu.CpuDevice;
import dev.longtake.worker.engine.model.ModelCatalog;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BiFunction;
import java.util.function.ToDoubleFunction;

/**
 * Runs whole case folders.
 *
 * @param workers 1 runs in this process; more are processes that exchange activations over gRPC
 * @param precision F32 or BF16
 */
public record Conformance(int workers, Precision precision) {
  /** What the reference's documentation suggests for float32; its worst measured value is 1.7e-5. */
  private static final double F32_TOLERANCE = 3e-5;

  /** Ours: bfloat16 keeps 8 bits; the worst value measured is 8.6e-3. */
  private static final double BF16_TOLERANCE = 2e-2;

  private static final double GUIDANCE_TOLERANCE = 1.2e-4;

  private static final long DEVICE_BYTES = 1L << 32;

  /**
   * Runs every run of a case.
   *
   * @throws dev.longtake.common.error.LongtakeException when the case can't be read or a worker fails
   */
  List<RunReport> check(Path folder) {
    try (GoldenCase golden = GoldenCase.open(folder)) {
      String kind = golden.kind();
      if (kind.equals("primitives")) {
        return primitives(golden);
      }
      if (ModelCatalog.ARCHITECTURES.contains(kind)) {
        return onGangs(
            golden,
            (gang, run) ->
                new ForwardConformance(gang, precision, tolerance(run)).run(golden.name(), run));
      }
      if (kind.equals("sampler rflow")) {
        return onGangs(
            golden,
            (gang, run) ->
                new SamplerConformance(gang, precision, tolerance()).run(golden.name(), run));
      }
      return golden.runs().stream()
          .map(run ->
              RunReport.later(
                  golden.name(),
                  run.name(),
                  "%s comes later; this build runs %s and sampler rflow"
                      .formatted(kind, String.join(", ", ModelCatalog.ARCHITECTURES))))
          .toList();
    }
  }

  private List<RunReport> primitives(GoldenCase golden) {
    // Kernels of one process; their tolerance is that of float32 whatever the products' precision.
    try (Device device = CpuDevice.open(1, DEVICE_BYTES)) {
      var conformance = new PrimitiveConformance(device, F32_TOLERANCE);
      return golden.runs().stream().map(run -> conformance.run(golden.name(), run)).toList();
    }
  }

  private List<RunReport> onGangs(
      GoldenCase golden, BiFunction<Gang, GoldenRun, RunReport> conformance) {
    List<RunReport> reports = new ArrayList<>();
    try (Gangs gangs = new Gangs(golden, workers)) {
      for (GoldenRun run : golden.runs()) {
        reports.add(conformance.apply(gangs.of(run), run));
      }
    }
    return reports;
  }

  /**
   * The reference's documentation allows more where a sinusoid's arguments reach 4000: guidance of 4, times 1000, is embedded; from
   * there on twice the usual.
   */
  private ToDoubleFunction<String> tolerance(GoldenRun run) {
    if (precision == Precision.PRECISION_BF16 || !run.hasInput("guidance")) {
      return _ -> tolerance();
    }
    return name -> name.equals("guidance_in") ? GUIDANCE_TOLERANCE : 2 * F32_TOLERANCE;
  }

  private double tolerance() {
    return precision == Precision.PRECISION_BF16 ? BF16_TOLERANCE : F32_TOLERANCE;
  }
}
