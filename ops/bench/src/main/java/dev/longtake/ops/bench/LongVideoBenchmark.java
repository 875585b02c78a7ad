package dev.longtake.ops.bench;

import dev.longtake.client.LongtakeClient;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.process.JavaProcess;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.Job;
import dev.longtake.v1.JobEvent;
import dev.longtake.v1.JobState;
import dev.longtake.v1.LongVideo;
import dev.longtake.v1.ModelCard;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;

/** A video of minutes: when its first segment arrives, and what the processes hold while it grows. */
final class LongVideoBenchmark implements Benchmark {
  private static final int WORKERS = 2;
  private static final int DEFAULT_SECONDS = 120;

  /** From here on memory has to be flat. */
  private static final int SETTLED_SEGMENT = 3;

  /** Of which the least counts: a step under way holds more or less, but what leaks is held by all. */
  private static final int SAMPLES = 5;

  /** A heap of constant size, so that what grows of the resident set is not the heap. */
  private static final List<String> FLAGS =
      List.of("-XX:+UseSerialGC", "-Xms320m", "-Xmx320m", "-XX:+AlwaysPreTouch");

  @Override
  public String name() {
    return "long";
  }

  @Override
  public String description() {
    return "The demo model, a coordinator and two workers as processes. One video of two minutes"
        + " (or --seconds), segment by segment: when a client that streams it has the first"
        + " segment; the least that each process holds on its heap and in all when segments 3 to 7"
        + " are done, and when the last five but one are";
  }

  /** What a process holds. */
  private record Held(double heapBytes, double residentBytes) {
    Held least(Held other) {
      return new Held(
          Math.min(heapBytes, other.heapBytes), Math.min(residentBytes, other.residentBytes));
    }
  }

  @Override
  public List<Figure> run(BenchOptions options) {
    Path model = options.model() == null ? WholeModel.demoModel() : options.model();
    int seconds = options.seconds() == 0 ? DEFAULT_SECONDS : options.seconds();
    try (TemporaryFolder folder = TemporaryFolder.create();
        BenchCluster cluster = BenchCluster.withFlags(model, folder.path(), WORKERS, FLAGS)) {
      return measure(cluster, folder.path(), seconds, options);
    }
  }

  private static List<Figure> measure(
      BenchCluster cluster, Path folder, int seconds, BenchOptions options) {
    LongtakeClient client = cluster.client();
    ModelCard card = client.clusterStatus().getModel();
    GenerationRequest request = request(card, seconds);
    int segments = request.getLongVideo().getSegments();
    Map<String, Held> settled = new LinkedHashMap<>();
    Map<String, Held> last = new LinkedHashMap<>();
    long start = System.nanoTime();
    String id = client.submit(request).getId();
    CompletableFuture<Double> first = new CompletableFuture<>();
    CompletableFuture<Long> streamed =
        CompletableFuture.supplyAsync(
            () -> stream(client, id, folder.resolve("stream.mp4"), start, first),
            Thread::startVirtualThread);
    Job job =
        client.watch(
            id,
            event -> {
              if (event.hasSegmentDone()) {
                hold(event.getSegmentDone(), segments, cluster.processes(), settled, last);
              }
            });
    double total = secondsSince(start);
    if (job.getState() != JobState.JOB_STATE_DONE) {
      throw new LongtakeException(
          ErrorCode.INTERNAL, "The long video failed: " + job.getError().getMessage());
    }
    options
        .notes()
        .accept(
            "%d segments, %d frames, %.1f s of video, streamed in %d bytes"
                .formatted(
                    segments,
                    job.getVideo().getFrames(),
                    job.getVideo().getFrames() / job.getVideo().getFps(),
                    streamed.join()));
    List<Figure> figures = new ArrayList<>();
    figures.add(new Figure("long.total_seconds", total, "s", Goal.none()));
    figures.add(new Figure("long.first_segment_seconds", first.join(), "s", Goal.none()));
    figures.add(
        new Figure("long.first_segment_share", first.join() / total, "ratio", Goal.atMost(0.05)));
    last.forEach((name, held) ->
        addGrowth(figures, name, Objects.requireNonNull(settled.get(name), name), held));
    return figures;
  }

  private static void addGrowth(List<Figure> figures, String name, Held before, Held after) {
    String process = "long." + name.replaceAll("[^a-z0-9]+", "_");
    figures.add(new Figure(process + ".heap_bytes", after.heapBytes, "bytes", Goal.none()));
    figures.add(
        new Figure(
            process + ".heap_growth",
            after.heapBytes / before.heapBytes,
            "ratio",
            Goal.atMost(1.05)));
    figures.add(new Figure(process + ".resident_bytes", after.residentBytes, "bytes", Goal.none()));
    figures.add(
        new Figure(
            process + ".resident_growth",
            after.residentBytes / before.residentBytes,
            "ratio",
            Goal.atMost(1.05)));
  }

  private static GenerationRequest request(ModelCard card, int seconds) {
    int frames = card.getFrames().getDefaultValue();
    int wanted = (int) Math.ceil(seconds * card.getFps());
    int shown = frames - frames / 2;
    int segments =
        Math.max(SETTLED_SEGMENT + 2 * SAMPLES, 1 + Math.ceilDiv(wanted - frames, shown));
    return GenerationRequest.newBuilder()
        .setPrompt("a red circle moving right on a black background")
        .setSeed(3)
        .setLongVideo(LongVideo.newBuilder().setSegments(segments))
        .build();
  }

  private static void hold(
      JobEvent.SegmentDone segment,
      int segments,
      List<JavaProcess> processes,
      Map<String, Held> settled,
      Map<String, Held> last) {
    int number = segment.getSegment();
    Map<String, Held> into =
        number >= SETTLED_SEGMENT && number < SETTLED_SEGMENT + SAMPLES
            ? settled
            : number >= segments - SAMPLES && number < segments ? last : null;
    if (into != null) {
      for (JavaProcess process : processes) {
        double heap = LiveHeap.isMeasurable() ? LiveHeap.bytes(process.handle()) : Double.NaN;
        double resident =
            TreeMemory.isMeasurable() ? TreeMemory.of(process.handle()).rssBytes() : Double.NaN;
        into.merge(process.name(), new Held(heap, resident), Held::least);
      }
    }
  }

  private static long stream(
      LongtakeClient client, String id, Path file, long start, CompletableFuture<Double> first) {
    try (OutputStream out =
        new OutputStream() {
          private final OutputStream target = Files.newOutputStream(file);

          @Override
          public void write(int b) throws IOException {
            target.write(b);
          }

          @Override
          public void write(byte[] bytes, int offset, int length) throws IOException {
            first.complete(secondsSince(start));
            target.write(bytes, offset, length);
          }

          @Override
          public void close() throws IOException {
            target.close();
          }
        }) {
      return client.stream(id, out);
    } catch (IOException e) {
      throw new LongtakeException(ErrorCode.INTERNAL, "Cannot write " + file, e);
    }
  }

  private static double secondsSince(long startNanos) {
    return (System.nanoTime() - startNanos) / 1e9;
  }
}
