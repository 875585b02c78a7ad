package dev.longtake.ops.launcher.doctor;

import com.google.protobuf.util.Timestamps;
import dev.longtake.client.LongtakeClient;
import dev.longtake.client.LongtakeClientException;
import dev.longtake.common.process.Build;
import dev.longtake.v1.ClusterStatus;
import dev.longtake.v1.LinkTimes;
import dev.longtake.v1.WorkerStatus;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** The coordinator as this host sees it, and the links that it measured. */
final class ClusterChecks {
  private static final String REACHED = "coordinator";

  /** Traces of several hosts are aligned by their clocks. */
  private static final Duration CLOCK_TOLERANCE = Duration.ofMillis(250);

  /** Of the median of links of its kind. */
  private static final double SLOW = 0.25;

  private final LongtakeClient client;
  private final InstantSource clock;

  /**
   * @param client the caller's
   */
  ClusterChecks(LongtakeClient client, InstantSource clock) {
    this.client = client;
    this.clock = clock;
  }

  List<Finding> run() {
    Instant asked;
    ClusterStatus status;
    try {
      // The first call connects; the second one is quick, and tells the clock.
      var _ = client.clusterStatus();
      asked = clock.instant();
      status = client.clusterStatus();
    } catch (LongtakeClientException e) {
      return List.of(unreached(e));
    }
    Duration took = Duration.between(asked, clock.instant());
    List<Finding> findings = new ArrayList<>();
    findings.add(
        Finding.ok(
            REACHED,
            "%s answers, with %d workers".formatted(client.address(), status.getWorkersCount())));
    findings.add(build(status));
    findings.add(clock(Instant.ofEpochMilli(Timestamps.toMillis(status.getTime())), asked, took));
    findings.add(links(status));
    return findings;
  }

  private Finding unreached(LongtakeClientException e) {
    return switch (e.reason()) {
      case LongtakeClientException.PERMISSION_DENIED, LongtakeClientException.UNAUTHENTICATED ->
          Finding.warning(
              REACHED,
              "%s answers, but not to this key: %s".formatted(client.address(), e.getMessage()),
              "give --api-key-file with an operator's key to compare build and clock, and see the"
                  + " links");
      default ->
          Finding.failed(
              REACHED,
              e.getMessage(),
              "start the coordinator, correct --coordinator, or open its port in the firewall");
    };
  }

  private static Finding build(ClusterStatus status) {
    String found = "%s here, %s at the coordinator".formatted(Build.id(), status.getBuild());
    return status.getBuild().equals(Build.id())
        ? Finding.ok("build", Build.id())
        : Finding.failed(
            "build", found, "install the coordinator's build here: it refuses workers of another");
  }

  /** The other clock was read at some time while the call took. */
  static Finding clock(Instant theirs, Instant asked, Duration took) {
    Duration half = took.dividedBy(2);
    Duration apart = Duration.between(asked.plus(half), theirs).abs();
    String found =
        "%d ms from the coordinator's, within %d ms".formatted(apart.toMillis(), half.toMillis());
    return apart.minus(half).compareTo(CLOCK_TOLERANCE) <= 0
        ? Finding.ok("clock", found)
        : Finding.warning(
            "clock",
            found,
            "let chrony or systemd-timesyncd set both clocks: times in traces and the validity of"
                + " certificates depend on them");
  }

  /** Links within a host are compared with each other, and so are those between hosts. */
  static Finding links(ClusterStatus status) {
    if (status.getLinksCount() == 0) {
      return Finding.skipped("links", "none are measured: that takes two workers in the cluster");
    }
    Map<String, String> hosts = new HashMap<>();
    for (WorkerStatus worker : status.getWorkersList()) {
      hosts.put(worker.getDescription().getId(), worker.getDescription().getHost());
    }
    List<String> slow = new ArrayList<>();
    for (boolean isWithin : new boolean[] {true, false}) {
      List<LinkTimes> kind =
          status.getLinksList().stream()
              .filter(link -> isWithin(link, hosts) == isWithin)
              .sorted((a, b) -> Double.compare(a.getBytesPerSecond(), b.getBytesPerSecond()))
              .toList();
      if (!kind.isEmpty()) {
        double median = kind.get(kind.size() / 2).getBytesPerSecond();
        kind.stream()
            .filter(link -> link.getBytesPerSecond() < SLOW * median)
            .forEach(
                link -> slow.add("%s, where %s are usual".formatted(text(link), rate(median))));
      }
    }
    return slow.isEmpty()
        ? Finding.ok(
            "links", "%d measured, none far slower than others".formatted(status.getLinksCount()))
        : Finding.warning(
            "links",
            String.join("; ", slow),
            "look at cable, switch and card, and for other traffic; plans avoid the link"
                + " meanwhile");
  }

  private static boolean isWithin(LinkTimes link, Map<String, String> hosts) {
    String from = hosts.getOrDefault(link.getFromWorker(), link.getFromWorker());
    return from.equals(hosts.getOrDefault(link.getToWorker(), link.getToWorker()));
  }

  private static String text(LinkTimes link) {
    return "%s to %s carries %s"
        .formatted(link.getFromWorker(), link.getToWorker(), rate(link.getBytesPerSecond()));
  }

  private static String rate(double bytesPerSecond) {
    return String.format(Locale.ROOT, "%.2f GB/s", bytesPerSecond / 1e9);
  }
}
