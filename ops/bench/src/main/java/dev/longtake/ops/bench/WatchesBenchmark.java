package dev.longtake.ops.bench;

import dev.longtake.client.JobEvents;
import dev.longtake.client.LongtakeClient;
import dev.longtake.common.process.JavaProcess;
import dev.longtake.v1.GenerationRequest;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** How soon the first event of a job comes while many watch, and what watches cost that have nothing to see. */
final class WatchesBenchmark implements Benchmark {
  private static final String PROMPT = "a red circle moving right on a black background";

  /** So that the worker is busy all the time, and other jobs wait. */
  private static final int ENDLESS_STEPS = 1000;

  /** A heap of constant size that is resident from the start: what a watch takes beyond it is native. */
  private static final List<String> FLAGS =
      List.of("-XX:+UseSerialGC", "-Xms320m", "-Xmx320m", "-XX:+AlwaysPreTouch");

  private final int open;
  private final int submits;
  private final int idle;

  /** As the goals want it: 200 open watches, then 1,000. */
  WatchesBenchmark() {
    this(200, 500, 1000);
  }

  /**
   * @param open watches beside which jobs are submitted
   * @param submits jobs
   * @param idle watches whose memory is measured
   */
  WatchesBenchmark(int open, int submits, int idle) {
    this.open = open;
    this.submits = submits;
    this.idle = idle;
  }

  @Override
  public String name() {
    return "watches";
  }

  @Override
  public String description() {
    return "The demo model, a coordinator and a busy worker as processes. Beside 200 open watches,"
        + " 500 jobs one after the other: from the submission to the first event of a watch that"
        + " is opened then. What 1,000 watches of a job that waits add to the coordinator's live"
        + " heap, and to what is resident beside the heap";
  }

  @Override
  public List<Figure> run(BenchOptions options) {
    Path model = options.model() == null ? WholeModel.demoModel() : options.model();
    try (TemporaryFolder folder = TemporaryFolder.create();
        BenchCluster cluster = BenchCluster.withFlags(model, folder.path(), 1, FLAGS)) {
      LongtakeClient client = cluster.client();
      client.submit(request().setSteps(ENDLESS_STEPS).build());
      String waiting = client.submit(request().build()).getId();
      List<Figure> figures = new ArrayList<>(firstEvents(cluster, waiting));
      figures.addAll(memory(cluster, waiting));
      return figures;
    }
  }

  private static GenerationRequest.Builder request() {
    return GenerationRequest.newBuilder().setPrompt(PROMPT).setSeed(7);
  }

  private List<Figure> firstEvents(BenchCluster cluster, String waiting) {
    LongtakeClient client = cluster.client();
    try (OpenWatches _ = OpenWatches.of(cluster.address(), waiting, open)) {
      List<Double> millis = new ArrayList<>();
      // The first half warms up: what is measured is a coordinator that has been there for a while.
      for (int i = 0; i < 2 * submits; i++) {
        long start = System.nanoTime();
        String id = client.submit(request().setSeed(i).build()).getId();
        try (JobEvents events = client.events(id, 0)) {
          events.next();
        }
        millis.add((System.nanoTime() - start) / 1e6);
        client.cancel(id);
      }
      List<Double> sorted = millis.subList(submits, 2 * submits).stream().sorted().toList();
      return List.of(
          new Figure("watches.first_event_p50", sorted.get(sorted.size() / 2), "ms", Goal.none()),
          new Figure(
              "watches.first_event_p99",
              sorted.get(sorted.size() * 99 / 100),
              "ms",
              Goal.atMost(50)));
    }
  }

  private List<Figure> memory(BenchCluster cluster, String waiting) {
    JavaProcess coordinator = cluster.processes().getFirst();
    // Once before, so that buffers and threads that stay are there.
    OpenWatches.of(cluster.address(), waiting, idle).close();
    double heapBefore = LiveHeap.bytes(coordinator.handle());
    long residentBefore = TreeMemory.of(coordinator.handle()).rssBytes();
    try (OpenWatches _ = OpenWatches.of(cluster.address(), waiting, idle)) {
      double heap = LiveHeap.bytes(coordinator.handle()) - heapBefore;
      double beside = TreeMemory.of(coordinator.handle()).rssBytes() - residentBefore;
      return List.of(
          new Figure("watches.idle.heap_bytes", heap, "bytes", Goal.none()),
          new Figure("watches.idle.resident_bytes", beside, "bytes", Goal.none()),
          new Figure(
              "watches.idle.bytes",
              Math.max(0, heap) + Math.max(0, beside),
              "bytes",
              Goal.atMost(50e6)));
    }
  }
}
