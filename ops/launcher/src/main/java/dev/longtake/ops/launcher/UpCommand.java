package dev.longtake.ops.launcher;

import dev.longtake.client.cli.ProgressBar;
import dev.longtake.client.cli.Texts;
import dev.longtake.common.model.ModelFolder;
import dev.longtake.common.process.JavaProcess;
import dev.longtake.common.tls.TlsOptions;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.OptionalInt;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code longtake up}: a cluster on this machine until Ctrl-C. */
@Command(
    name = "up",
    mixinStandardHelpOptions = true,
    description = "Run a cluster on this machine until Ctrl-C.",
    footer = {
      "",
      "Everything ends when one of the processes ends, and the error says which and why.",
      "",
      "Exit status: 130 interrupted, 1 a process died, 2 wrong usage or configuration."
    })
final class UpCommand implements Callable<Integer> {
  private static final int METRICS_OFFSET = 90;
  private static final int HTTP_OFFSET = 80;
  private static final int MAX_PORT = 65_535;

  @Spec @Nullable CommandSpec spec;

  @Option(
      names = "--port",
      paramLabel = "PORT",
      defaultValue = "7400",
      description = "Port of the coordinator, 0 for any free one (default: ${DEFAULT-VALUE}).")
  int port = 7400;

  @Option(
      names = "--metrics-port",
      paramLabel = "PORT",
      description =
          "Port of the coordinator's metrics (default: 90 above --port; any free one with --port"
              + " 0).")
  @Nullable Integer metricsPort;

  @Option(
      names = "--http-port",
      paramLabel = "PORT",
      description =
          "Port of the coordinator's page and its JSON (default: 80 above --port; any free one with"
              + " --port 0).")
  @Nullable Integer httpPort;

  @Mixin ClusterOptions cluster = new ClusterOptions();

  @Mixin TlsOptions tls = new TlsOptions();

  @Override
  public Integer call() {
    List<String> devices = cluster.requireDevices();
    ModelFolder model = cluster.requireModel();
    List<String> tlsArguments = tls.arguments();
    ProgressBar progress = ProgressBar.onStandardError();
    progress.phase("starting a coordinator and " + Texts.workers(devices.size()));
    try (LocalCluster local = start(devices, tlsArguments, progress)) {
      var options = new ArrayList<>(List.of("--coordinator", local.coordinatorAddress()));
      options.addAll(tlsArguments);
      String called = String.join(" ", options);
      PrintWriter out = Objects.requireNonNull(spec).commandLine().getOut();
      out.print(
          """
          page         %s
          coordinator  %s
          workers      %s
          metrics      %s
          logs         %s

          %s
          longtake status %s

          Ctrl-C ends the cluster.
          """
              .formatted(
                  local.httpUrl(),
                  local.coordinatorAddress(),
                  local.workers().stream()
                      .map(JavaProcess::address)
                      .collect(Collectors.joining(", ")),
                  metrics(local),
                  local.folder(),
                  generate(model, called),
                  called));
      out.flush();
      throw LocalCluster.deathOf(local.death().join());
    }
  }

  /** Of the coordinator, whose page of targets leads Prometheus to the others, and of each worker. */
  private static String metrics(LocalCluster local) {
    String workers =
        local.workers().stream().map(JavaProcess::metricsAddress).collect(Collectors.joining(", "));
    return "http://%s/metrics; workers %s; all: http://%s/metrics/targets"
        .formatted(local.metricsAddress(), workers, local.metricsAddress());
  }

  private OptionalInt beside(@Nullable Integer asked, int offset) {
    if (asked != null) {
      return OptionalInt.of(asked);
    }
    int beside = port + offset;
    return OptionalInt.of(port == 0 || beside > MAX_PORT ? 0 : beside);
  }

  /** How to make a video, or why that can't be done. */
  private static String generate(ModelFolder model, String called) {
    return model
        .lacking()
        .map(lacking ->
            "The model has no %s: workers run its transformer on tensors that they are given, but 'longtake generate' can't make a video."
                .formatted(lacking))
        .orElseGet(() ->
            "longtake generate \"a red circle moving right on a black background\" " + called);
  }

  private LocalCluster start(
      List<String> devices, List<String> tlsArguments, ProgressBar progress) {
    try {
      return LocalCluster.start(
          LocalCluster.Programs.LONGTAKE,
          cluster.path(),
          devices,
          new LocalCluster.Ports(
              port, beside(metricsPort, METRICS_OFFSET), beside(httpPort, HTTP_OFFSET)),
          tlsArguments);
    } finally {
      progress.finish();
    }
  }
}
