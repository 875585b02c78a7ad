package dev.longtake.worker.conformance;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.v1.Precision;
import dev.longtake.worker.Devices;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.DeviceChoice;
import dev.longtake.worker.engine.model.ModelCatalog;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.BiFunction;
import java.util.function.ToDoubleFunction;

/**
 * Runs whole case folders.
 *
 * @param workers 1 runs in this process; more are processes that exchange activations over gRPC
 * @param precision F32 or BF16
 * @param device that every worker computes with
 */
public record Conformance(int workers, Precision precision, DeviceChoice device) {
  /** What the reference's documentation suggests for float32; its worst measured value is 1.7e-5. */
  private static final double F32_TOLERANCE = 3e-5;

  /** Ours: bfloat16 keeps 8 bits; the worst value measured for a model is 1.3e-2. */
  private static final double BF16_TOLERANCE = 2e-2;

  private static final double GUIDANCE_TOLERANCE = 1.2e-4;

  private static final long DEVICE_BYTES = 1L << 32;

  /**
   * Runs every run of a case.
   *
   * @throws LongtakeException when the case is of an unknown kind or can't be read, or a worker fails
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
      if (RecordedConformance.knows(kind)) {
        return recorded(golden);
      }
      Optional<SamplerFormat> format =
          golden
              .samplerModel()
              .flatMap(architecture -> SamplerConformance.format(kind, architecture));
      if (format.isPresent()) {
        return onGangs(
            golden,
            (gang, run) ->
                new SamplerConformance(gang, format.get(), precision, tolerance())
                    .run(golden.name(), run));
      }
      throw new LongtakeException(
          ErrorCode.INVALID_MODEL,
          "Expected a case of primitives, of a sampler this build has or of a model among %s, but %s is of '%s'"
              .formatted(String.join(", ", ModelCatalog.ARCHITECTURES), folder, kind));
    }
  }

  private List<RunReport> primitives(GoldenCase golden) {
    // Kernels of one process; their tolerance is that of float32 whatever the products' precision.
    try (Device device = Devices.open(this.device, 1, DEVICE_BYTES)) {
      var conformance = new PrimitiveConformance(device, F32_TOLERANCE);
      return golden.runs().stream().map(run -> conformance.run(golden.name(), run)).toList();
    }
  }

  private List<RunReport> recorded(GoldenCase golden) {
    try (Device device = Devices.open(this.device, 1, DEVICE_BYTES)) {
      var conformance = new RecordedConformance(device, F32_TOLERANCE);
      return golden.runs().stream().map(run -> conformance.run(golden.name(), run)).toList();
    }
  }

  private List<RunReport> onGangs(
      GoldenCase golden, BiFunction<Gang, GoldenRun, RunReport> conformance) {
    List<RunReport> reports = new ArrayList<>();
    try (Gangs gangs = new Gangs(golden, workers, device)) {
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
