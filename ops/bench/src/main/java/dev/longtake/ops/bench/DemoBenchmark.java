package dev.longtake.ops.bench;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** What a new user sees first: the whole {@code longtake demo}, from the command to the MP4 and the last process's end. */
final class DemoBenchmark implements Benchmark {
  private static final List<String> DEMO =
      List.of("demo", "a red circle moving right on a black background", "--seed", "1", "--json");
  private static final double GOAL_SECONDS = 30;
  private static final double GOAL_RSS_BYTES = 1.5 * (1L << 30);
  private static final long LIMIT_SECONDS = 600;
  private static final long SAMPLE_MILLIS = 100;

  @Override
  public String name() {
    return "demo";
  }

  @Override
  public String description() {
    return "'longtake demo' with a fixed prompt, built before: wall-clock time of the command, and"
        + " in a second run the largest sum of the resident memory of all its processes (every"
        + " 100 ms; shared pages count once for each process)";
  }

  @Override
  public List<Figure> run(BenchOptions options) {
    Path script = script();
    try (TemporaryFolder temporary = TemporaryFolder.create()) {
      Path folder = temporary.path();
      // Builds what is missing, so that the build is not measured.
      measure(script, List.of("--version"), folder, Sampling.NONE);
      var demo = new ArrayList<>(DEMO);
      demo.addAll(List.of("--out", folder.resolve("demo.mp4").toString()));
      // Reading the memory maps of a process stops it for a moment, so that run is not timed.
      Run timed = measure(script, demo, folder, Sampling.NONE);
      Run run = measure(script, demo, folder, Sampling.MEMORY);
      var figures = new ArrayList<Figure>();
      figures.add(new Figure("demo.seconds", timed.seconds(), "s", Goal.atMost(GOAL_SECONDS)));
      boolean isMeasured = TreeMemory.isMeasurable();
      double rssBytes = isMeasured ? run.peak().rssBytes() : Double.NaN;
      double pssBytes = isMeasured ? run.peak().pssBytes() : Double.NaN;
      figures.add(new Figure("demo.rss_bytes", rssBytes, "bytes", Goal.atMost(GOAL_RSS_BYTES)));
      figures.add(new Figure("demo.pss_bytes", pssBytes, "bytes", Goal.none()));
      return figures;
    }
  }

  private record Run(double seconds, TreeMemory peak) {}

  private enum Sampling {
    NONE,
    MEMORY
  }

  private static Run measure(Path script, List<String> arguments, Path folder, Sampling sampling) {
    var command = new ArrayList<String>(List.of(script.toString()));
    command.addAll(arguments);
    Path log = folder.resolve("log");
    long startNanos = System.nanoTime();
    Process process = start(command, log);
    TreeMemory peak = TreeMemory.ZERO;
    try {
      while (!process.waitFor(SAMPLE_MILLIS, TimeUnit.MILLISECONDS)) {
        if (sampling == Sampling.MEMORY) {
          peak = peak.peak(TreeMemory.of(process.toHandle()));
        }
        if (System.nanoTime() - startNanos > TimeUnit.SECONDS.toNanos(LIMIT_SECONDS)) {
          throw new LongtakeException(
              ErrorCode.TIMED_OUT,
              "Expected '%s' to end within %d s, but it still runs"
                  .formatted(String.join(" ", command), LIMIT_SECONDS));
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new LongtakeException(ErrorCode.CANCELED, "Interrupted while measuring", e);
    } finally {
      // Ends the demo's children too: they watch it. Nothing happens when it has ended.
      process.destroy();
    }
    double seconds = (System.nanoTime() - startNanos) / 1e9;
    if (process.exitValue() != 0) {
      throw new LongtakeException(
          ErrorCode.PROCESS_DIED,
          "Expected '%s' to succeed, but it ended with exit status %d: %s"
              .formatted(String.join(" ", command), process.exitValue(), lastLine(log)));
    }
    return new Run(seconds, peak);
  }

  private static Process start(List<String> command, Path log) {
    try {
      return new ProcessBuilder(command)
          .redirectErrorStream(true)
          .redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()))
          .redirectInput(ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile()))
          .start();
    } catch (IOException e) {
      throw new UncheckedIOException("Cannot start " + command.getFirst(), e);
    }
  }

  private static String lastLine(Path log) {
    try {
      List<String> lines = Files.readAllLines(log, StandardCharsets.UTF_8);
      return lines.isEmpty() ? "it printed nothing" : lines.getLast();
    } catch (IOException e) {
      return "its output cannot be read";
    }
  }

  private static Path script() {
    String home = System.getProperty("longtake.home");
    Path script = home == null ? null : Path.of(home, "longtake");
    if (script == null || !Files.isExecutable(script)) {
      throw new LongtakeException(
          ErrorCode.INVALID_REQUEST,
          "Expected to be started by the 'longtake' script, which the demo is measured through, but"
              + " the property"
              + " longtake.home is '%s'; start this benchmark with ./longtake bench demo"
                  .formatted(home));
    }
    return script;
  }
}
