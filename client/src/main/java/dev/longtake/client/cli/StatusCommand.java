package dev.longtake.client.cli;

import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.util.JsonFormat;
import dev.longtake.client.LongtakeClient;
import dev.longtake.v1.ClusterStatus;
import dev.longtake.v1.IntRange;
import dev.longtake.v1.LinkTimes;
import dev.longtake.v1.ModelCard;
import dev.longtake.v1.WorkerDescription;
import dev.longtake.v1.WorkerStatus;
import java.util.DoubleSummaryStatistics;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code longtake status}: the workers, the model with its ranges and defaults, and the number of jobs. */
@Command(
    name = "status",
    mixinStandardHelpOptions = true,
    description = "Show the workers, the model and the jobs of a cluster.",
    footer = {"", "Exit status: 0 shown, 1 failed, 2 wrong usage, or nothing listens there."})
public final class StatusCommand implements Callable<Integer> {
  @Spec @Nullable CommandSpec spec;

  @Mixin CoordinatorOption coordinator = new CoordinatorOption();

  @Option(
      names = "--json",
      description = "Print as JSON, with the names of longtake.v1.ClusterStatus.")
  boolean isJson;

  @Override
  public Integer call() throws InvalidProtocolBufferException {
    try (LongtakeClient client = coordinator.connect()) {
      ClusterStatus status = client.clusterStatus();
      Commands.print(
          spec,
          isJson
              ? JsonFormat.printer()
                      .preservingProtoFieldNames()
                      .alwaysPrintFieldsWithNoPresence()
                      .print(status)
                  + "\n"
              : text(client.address(), status));
      return ExitCodes.OK;
    }
  }

  static String text(String address, ClusterStatus status) {
    var text = new StringBuilder();
    text.append("cluster  %s, version %s%n".formatted(address, status.getVersion()));
    text.append(
        "jobs     %d running, %d queued%n"
            .formatted(status.getRunningJobs(), status.getQueuedJobs()));
    if (status.hasModel()) {
      appendModel(text, status.getModel());
    } else {
      text.append("model    none yet: no worker has joined%n".formatted());
    }
    text.append("workers  %d%n".formatted(status.getWorkersCount()));
    for (WorkerStatus worker : status.getWorkersList()) {
      text.append("         ").append(worker(worker));
      if (worker.hasConditionCache()) {
        text.append(
            "           prepared texts: %s%n"
                .formatted(CacheText.status(worker.getConditionCache())));
      }
    }
    if (status.hasEmbeddingCache()) {
      text.append("prompts  %s%n".formatted(CacheText.status(status.getEmbeddingCache())));
    }
    appendMeasured(text, status);
    return text.toString();
  }

  /** A line, with its end. */
  static String worker(WorkerStatus worker) {
    WorkerDescription description = worker.getDescription();
    return String.format(
        Locale.ROOT,
        "%s at %s, %s (%s), %s, %s, heard of %.1f s ago%n",
        description.getId(),
        description.getAddress(),
        description.getDevice(),
        detail(description),
        Texts.bytes(description.getMemoryTotalBytes()),
        work(worker),
        Texts.seconds(worker.getSinceLastHeartbeat()));
  }

  private static String detail(WorkerDescription worker) {
    return worker.getDeviceUuid().isEmpty()
        ? worker.getDeviceDetail()
        : worker.getDeviceDetail() + ", " + worker.getDeviceUuid();
  }

  private static String work(WorkerStatus worker) {
    List<String> jobs = worker.getJobIdsList();
    if (jobs.size() > 1) {
      return "on jobs " + String.join(", ", jobs);
    }
    String work = worker.getJobId().isEmpty() ? "idle" : "on job " + worker.getJobId();
    String fault =
        worker.getFault().isEmpty() ? "" : ", can't compute (%s)".formatted(worker.getFault());
    return work + (worker.getDraining() ? ", draining" : "") + fault;
  }

  private static void appendMeasured(StringBuilder text, ClusterStatus status) {
    long blocks = status.getWorkersList().stream().filter(WorkerStatus::hasBlockTimes).count();
    text.append(
        "measured blocks of %d of %d workers, %d links"
            .formatted(blocks, status.getWorkersCount(), status.getLinksCount()));
    DoubleSummaryStatistics bandwidth =
        status.getLinksList().stream()
            .mapToDouble(LinkTimes::getBytesPerSecond)
            .summaryStatistics();
    DoubleSummaryStatistics latency =
        status.getLinksList().stream()
            .mapToDouble(LinkTimes::getLatencySeconds)
            .summaryStatistics();
    if (status.getLinksCount() > 0) {
      text.append(
          String.format(
              Locale.ROOT,
              " of %.2f to %.2f GB/s, %.0f to %.0f us",
              bandwidth.getMin() / 1e9,
              bandwidth.getMax() / 1e9,
              latency.getMin() * 1e6,
              latency.getMax() * 1e6));
    }
    text.append(String.format("%n"));
  }

  private static void appendModel(StringBuilder text, ModelCard model) {
    text.append(
        String.format(
            Locale.ROOT,
            "model    %s: %s, %d blocks, %,d parameters%n",
            model.getName(),
            model.getArchitecture(),
            model.getBlocks(),
            model.getParameters()));
    appendRange(text, "width", model.getWidth());
    appendRange(text, "height", model.getHeight());
    appendRange(text, "frames", model.getFrames());
    text.append(
        String.format(
            Locale.ROOT,
            "         steps %d, guidance %s, %s fps, prompts of up to %d tokens%n",
            model.getDefaultSteps(),
            model.getDefaultGuidance(),
            model.getFps(),
            model.getMaxTextTokens()));
  }

  private static void appendRange(StringBuilder text, String name, IntRange range) {
    text.append(
        "         %s %d (%d to %d%s)%n"
            .formatted(
                name,
                range.getDefaultValue(),
                range.getMin(),
                range.getMax(),
                range.getMultipleOf() > 1 ? ", multiples of " + range.getMultipleOf() : ""));
  }
}
