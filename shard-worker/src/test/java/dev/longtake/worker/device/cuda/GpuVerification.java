package dev.longtake.worker.device.cuda;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.worker.conformance.ConformanceCommand;
import dev.longtake.worker.device.DeviceChoice;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.platform.engine.discovery.DiscoverySelectors;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;
import org.junit.platform.launcher.listeners.SummaryGeneratingListener;
import picocli.CommandLine;

/**
 * What {@code ops/gpu/verify} runs: the device contract and the reference cases on a GPU. Exit status 0 when all pass, 1 when something
 * falls short, 2 without a GPU.
 */
public final class GpuVerification {
  private static final int FELL_SHORT = 1;
  private static final int NO_GPU = 2;
  private static final long LIMIT_BYTES = 1L << 30;

  private GpuVerification() {}

  /**
   * Verifies.
   *
   * @param arguments the device, and the folder with the reference cases
   */
  public static void main(String[] arguments) throws IOException {
    System.exit(run(arguments[0], Path.of(arguments[1])));
  }

  private static int run(String device, Path cases) throws IOException {
    System.setProperty("longtake.gpu", device);
    try {
      if (!(DeviceChoice.parse(device) instanceof DeviceChoice.Cuda gpu)) {
        System.err.println("Expected a GPU to verify, but got " + device);
        return NO_GPU;
      }
      try (CudaDevice opened = CudaDevice.open(gpu, LIMIT_BYTES)) {
        System.out.println(device + ": " + opened.detail() + ", " + opened.uuid());
      }
    } catch (LongtakeException e) {
      System.err.println("nothing was verified: " + e.getMessage());
      return NO_GPU;
    }
    boolean contract = contractHolds();
    boolean single = casesPass(device, "f32", cases);
    boolean half = casesPass(device, "bf16", cases);
    return contract && single && half ? 0 : FELL_SHORT;
  }

  private static boolean contractHolds() {
    var listener = new SummaryGeneratingListener();
    LauncherFactory.create()
        .execute(
            LauncherDiscoveryRequestBuilder.request()
                .selectors(DiscoverySelectors.selectClass(CudaDeviceTest.class))
                .build(),
            listener);
    var summary = listener.getSummary();
    System.out.printf(
        "device contract: %d of %d tests passed%n",
        summary.getTestsSucceededCount(), summary.getTestsFoundCount());
    summary.printFailuresTo(
        new PrintWriter(System.out, /* autoFlush= */ true, StandardCharsets.UTF_8));
    return summary.getTestsFoundCount() > 0
        && summary.getTestsSucceededCount() == summary.getTestsFoundCount();
  }

  private static boolean casesPass(String device, String precision, Path cases) throws IOException {
    List<String> arguments = new ArrayList<>(List.of("--device", device, "--precision", precision));
    try (Stream<Path> folders = Files.list(cases)) {
      folders
          .filter(Files::isDirectory)
          .filter(folder -> precision.equals("f32") || !isSampler(folder))
          .sorted()
          .forEach(folder -> arguments.add(folder.toString()));
    }
    System.out.println("reference cases in " + precision);
    return new CommandLine(new ConformanceCommand()).execute(arguments.toArray(String[]::new)) == 0;
  }

  /** Over the steps of a sampler a random network amplifies the rounding of bfloat16. */
  private static boolean isSampler(Path folder) {
    return String.valueOf(folder.getFileName()).startsWith("sampler_");
  }
}
