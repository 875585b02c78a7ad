package dev.longtake.worker.conformance;

import dev.longtake.common.model.ModelFolder;
import dev.longtake.v1.Precision;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.cpu.CpuDevice;
import dev.longtake.worker.engine.model.ModelCatalog;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;

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
        return onGang(
            golden,
            gang -> {
              var conformance = new ForwardConformance(gang, precision, tolerance());
              return run -> conformance.run(golden.name(), run);
            });
      }
      if (RecordedConformance.knows(kind)) {
        return recorded(golden);
      }
      Optional<SamplerFormat> format =
          golden.hasModel()
              ? SamplerConformance.format(kind, ModelFolder.open(folder).dit().architecture())
              : Optional.empty();
      if (format.isPresent()) {
        return onGang(
            golden,
            gang -> {
              var conformance =
                  new SamplerConformance(gang, format.get(), precision, tolerance());
              return run -> conformance.run(golden.name(), run);
            });
      }
      return golden.runs().stream()
          .map(run ->
              RunReport.later(
                  golden.name(),
                  run.name(),
                  "%s comes later; this build runs %s and their samplers"
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

  private static List<RunReport> recorded(GoldenCase golden) {
    try (Device device = CpuDevice.open(1, DEVICE_BYTES)) {
      var conformance = new RecordedConformance(device, F32_TOLERANCE);
      return golden.runs().stream().map(run -> conformance.run(golden.name(), run)).toList();
    }
  }

  private List<RunReport> onGang(
      GoldenCase golden, Function<Gang, Function<GoldenRun, RunReport>> conformance) {
    try (Gang gang =
        workers == 1
            ? LocalGang.open(golden.folder())
            : ProcessGang.start(golden.folder(), workers)) {
      List<RunReport> reports = new ArrayList<>();
      Function<GoldenRun, RunReport> check = conformance.apply(gang);
      for (GoldenRun run : golden.runs()) {
        reports.add(check.apply(run));
      }
      return reports;
    }
  }

  private double tolerance() {
    return precision == Precision.PRECISION_BF16 ? BF16_TOLERANCE : F32_TOLERANCE;
  }
}
