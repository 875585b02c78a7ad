package dev.longtake.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonObject;
import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.protobuf.util.JsonFormat;
import dev.longtake.coordinator.HttpApi.Answer;
import dev.longtake.coordinator.access.Access;
import dev.longtake.coordinator.web.http.HttpLimits;
import dev.longtake.v1.ClusterGrpc;
import dev.longtake.v1.ClusterStatus;
import dev.longtake.v1.DownloadRequest;
import dev.longtake.v1.GenerationGrpc;
import dev.longtake.v1.GetJobRequest;
import dev.longtake.v1.Job;
import dev.longtake.v1.JobEvent;
import dev.longtake.v1.ListJobsRequest;
import dev.longtake.v1.ListJobsResponse;
import dev.longtake.v1.ModelCard;
import io.grpc.MethodDescriptor;
import io.grpc.ServiceDescriptor;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The services as JSON, events and files. */
final class HttpJsonTest {
  private static final Pattern EVENT = Pattern.compile("id: (\\d+)\ndata: (.*)\n\n");

  /** What an empty request gets where one worker has joined and there is no job. */
  private static final Map<String, Integer> OF_NOTHING = new TreeMap<>();

  static {
    for (String method :
        List.of("Watch", "Get", "Cancel", "Trace", "Download", "Stream", "Previews")) {
      OF_NOTHING.put("Generation/" + method, 404);
    }
    OF_NOTHING.put("Generation/Continuation", 404);
    OF_NOTHING.put("Generation/Submit", 400);
    OF_NOTHING.put("Generation/List", 200);
    OF_NOTHING.put("Cluster/Status", 200);
    OF_NOTHING.put("Cluster/Model", 200);
    OF_NOTHING.put("Cluster/Explain", 200);
    OF_NOTHING.put("Cluster/Drain", 404);
    OF_NOTHING.put("Cluster/Join", 405);
  }

  private static final Set<String> CHANGING =
      Set.of("Generation/Submit", "Generation/Cancel", "Cluster/Drain", "Cluster/Join");

  @TempDir Path folder;
  private TestCluster cluster;
  private HttpApi http;

  @BeforeEach
  void start() {
    cluster = TestCluster.withHttp(folder.resolve("data"), Access.open(), limits());
    http = new HttpApi(cluster.coordinator.httpUrl());
  }

  @AfterEach
  void stop() {
    http.close();
    cluster.close();
  }

  private static HttpLimits limits() {
    HttpLimits usual = HttpLimits.of(HttpLimits.DEFAULT_REQUESTS_PER_ADDRESS);
    return new HttpLimits(
        usual.bodyBytes(),
        usual.headerBytes(),
        usual.connections(),
        usual.requestsPerAddress(),
        usual.headTime(),
        usual.idleTime(),
        /* keepAlive= */ Duration.ofMillis(20));
  }

  private static <M extends Message> M parsed(String json, M kind)
      throws InvalidProtocolBufferException {
    Message.Builder builder = kind.newBuilderForType();
    JsonFormat.parser().merge(json, builder);
    @SuppressWarnings("unchecked")
    M message = (M) builder.build();
    return message;
  }

  private Job submit() throws Exception {
    Answer answer =
        http.post("/api/Generation/Submit", "{\"request\": {\"prompt\": \"a red circle\"}}");
    assertThat(answer.status()).as(answer.text()).isEqualTo(200);
    return parsed(answer.text(), Job.getDefaultInstance());
  }

  private Job done() throws Exception {
    cluster.joined("w0");
    return cluster.end(submit().getId());
  }

  @Test
  void shouldAnswerEveryMethodThatTakesOneRequest() throws Exception {
    cluster.joined("w0");
    Map<String, Integer> found = new TreeMap<>();
    Set<String> changing = new TreeSet<>();
    for (ServiceDescriptor service :
        List.of(GenerationGrpc.getServiceDescriptor(), ClusterGrpc.getServiceDescriptor())) {
      for (MethodDescriptor<?, ?> method : service.getMethods()) {
        String name = method.getFullMethodName().substring("longtake.v1.".length());
        Answer posted = http.post("/api/" + name, "{}");
        Answer got = http.get("/api/" + name);
        if (got.status() == 405) {
          changing.add(name);
        } else {
          assertThat(got.status()).as(name).isEqualTo(posted.status());
        }
        if (posted.status() != 200) {
          JsonObject error = posted.error();
          assertThat(error.get("code").getAsInt()).isEqualTo(posted.status());
          assertThat(error.get("message").getAsString()).as(name).isNotEmpty();
          assertThat(error.get("reason").getAsString()).as(name).isNotEmpty();
        }
        found.put(name, posted.status());
      }
    }

    assertThat(found).isEqualTo(OF_NOTHING);
    assertThat(changing).isEqualTo(CHANGING);
  }

  @Test
  void shouldSayWhatGrpcSays() throws Exception {
    Job done = done();

    assertThat(
            parsed(
                http.get("/api/Generation/Get?job_id=" + done.getId()).text(),
                Job.getDefaultInstance()))
        .isEqualTo(
            cluster.generation().get(GetJobRequest.newBuilder().setJobId(done.getId()).build()));
    assertThat(
            parsed(
                http.post("/api/Generation/List", "{\"limit\": 1}").text(),
                ListJobsResponse.getDefaultInstance()))
        .isEqualTo(cluster.generation().list(ListJobsRequest.newBuilder().setLimit(1).build()));
    ClusterStatus status =
        parsed(http.get("/api/Cluster/Status").text(), ClusterStatus.getDefaultInstance());
    assertThat(status.getModel()).isEqualTo(cluster.status().getModel());
    assertThat(parsed(http.get("/api/Cluster/Model").text(), ModelCard.getDefaultInstance()))
        .isEqualTo(status.getModel().toBuilder().clearProfile().build());
    assertThat(http.get("/api/Cluster/Explain?request.width=32&limit=1").status()).isEqualTo(200);
  }

  @Test
  void shouldNameTheFieldWhenARequestIsWrong() throws Exception {
    cluster.joined("w0");

    JsonObject wide =
        http.post(
                "/api/Generation/Submit",
                "{\"request\": {\"prompt\": \"a red circle\", \"width\": 4096}}")
            .error();
    JsonObject unknown =
        http.post("/api/Generation/Submit", "{\"request\": {\"colour\": \"red\"}}").error();
    JsonObject half =
        http.post("/api/Generation/Submit", "{\"request\": {\"prompt\": \"a \\ud800\"}}").error();

    assertThat(wide.get("status").getAsString()).isEqualTo("INVALID_ARGUMENT");
    assertThat(wide.get("reason").getAsString()).isEqualTo("INVALID_REQUEST");
    assertThat(wide.get("field").getAsString()).isEqualTo("width");
    assertThat(unknown.get("message").getAsString())
        .contains("colour", "longtake.v1.GenerationRequest");
    assertThat(half.get("field").getAsString()).isEqualTo("prompt");
  }

  private static List<JobEvent> events(String stream) throws Exception {
    List<JobEvent> events = new ArrayList<>();
    var found = EVENT.matcher(stream);
    while (found.find()) {
      JobEvent event = parsed(found.group(2), JobEvent.getDefaultInstance());
      assertThat(found.group(1)).isEqualTo(Long.toString(event.getSequence()));
      events.add(event);
    }
    return events;
  }

  @Test
  void shouldRefuseAParameterWhenItsNameIsTooDeep() {
    HttpApi.Answer answer = http.get("/api/Cluster/Status?a" + ".a".repeat(3000) + "=1");
    assertThat(answer.status()).isEqualTo(400);
    assertThat(answer.error().get("message").getAsString())
        .endsWith("a parameter's name has 3001 parts, and at most 100 are allowed");
    assertThat(http.get("/api/Cluster/Status").status()).isEqualTo(200);
  }

  @Test
  void shouldGoOnWhereAWatcherWasWhenItSaysTheLastEvent() throws Exception {
    String watch = "/api/Generation/Watch?jobId=" + done().getId();
    Answer all = http.get(watch);
    List<JobEvent> events = events(all.text());
    long middle = events.get(events.size() / 2).getSequence();

    assertThat(all.header("content-type")).isEqualTo("text/event-stream");
    assertThat(all.text()).endsWith("event: end\ndata: {}\n\n");
    assertThat(events).isEqualTo(cluster.watch(watch.substring(watch.indexOf('=') + 1)));
    assertThat(events(http.get(watch, "Last-Event-ID", Long.toString(middle)).text()))
        .isEqualTo(events.subList(events.size() / 2 + 1, events.size()));
    long last = events.getLast().getSequence();
    assertThat(http.get(watch, "Last-Event-ID", Long.toString(last)).status())
        .as("browsers ask again until they get this")
        .isEqualTo(204);
    assertThat(http.get(watch, "Last-Event-ID", "x").error().get("field").getAsString())
        .isEqualTo("Last-Event-ID");
  }

  @Test
  void shouldTellThatItLivesAndWhyItEndsWhenAWatcherWaits() throws Exception {
    FakeWorker worker = cluster.worker("w0", FakeWorker.card());
    worker.behaviour = FakeWorker.Behaviour.HOLD;
    cluster.joined(worker);
    String id = submit().getId();
    Iterator<String> lines =
        http.send(
                http.request("/api/Generation/Watch")
                    .header("Content-Type", "application/json")
                    .POST(BodyPublishers.ofString("{\"jobId\": \"" + id + "\"}")),
                BodyHandlers.ofLines())
            .body()
            .iterator();
    awaitLine(lines, ": still here");

    Thread stop = Thread.ofVirtual().start(cluster.coordinator::close);

    awaitLine(lines, "event: error");
    assertThat(lines.next()).contains("\"reason\":\"UNREACHABLE\"", "shutting down");
    assertThat(stop.join(Duration.ofSeconds(60))).isTrue();
  }

  private static void awaitLine(Iterator<String> lines, String wanted) {
    while (!lines.next().equals(wanted)) {
      assertThat(lines.hasNext()).as(wanted).isTrue();
    }
  }

  private ByteString download(String id) {
    ByteString video = ByteString.EMPTY;
    var chunks = cluster.generation().download(DownloadRequest.newBuilder().setJobId(id).build());
    while (chunks.hasNext()) {
      video = video.concat(chunks.next().getData());
    }
    return video;
  }

  @Test
  void shouldSendThePartOfAVideoThatIsAskedFor() throws Exception {
    Job done = done();
    String path = "/api/jobs/" + done.getId() + "/video";
    ByteString video = download(done.getId());
    int size = video.size();

    Answer whole = http.get(path);
    assertThat(whole.status()).isEqualTo(200);
    assertThat(whole.header("content-type")).isEqualTo("video/mp4");
    assertThat(whole.header("accept-ranges")).isEqualTo("bytes");
    assertThat(ByteString.copyFrom(whole.bytes())).isEqualTo(video);
    Map.of(
            "bytes=4-7", List.of(4, 8),
            "bytes=10-", List.of(10, size),
            "bytes=-5", List.of(size - 5, size),
            "bytes=0-999999999", List.of(0, size))
        .forEach((range, part) -> {
          Answer answer = http.get(path, "Range", range);
          assertThat(answer.status()).as(range).isEqualTo(206);
          assertThat(answer.header("content-range"))
              .isEqualTo("bytes %d-%d/%d".formatted(part.get(0), part.get(1) - 1, size));
          assertThat(ByteString.copyFrom(answer.bytes()))
              .as(range)
              .isEqualTo(video.substring(part.get(0), part.get(1)));
        });
    for (String ignored : List.of("bytes=7-4", "bytes=1-2,4-5", "bytes=-", "lines=1-2")) {
      assertThat(http.get(path, "Range", ignored).bytes()).as(ignored).hasSize(size);
    }
    Answer beyond = http.get(path, "Range", "bytes=%d-".formatted(size));
    assertThat(beyond.status()).isEqualTo(416);
    assertThat(beyond.header("content-range")).isEqualTo("bytes */" + size);
    String tag = whole.header("etag");
    assertThat(http.get(path, "If-None-Match", tag).status()).isEqualTo(304);
    assertThat(http.get(path, "Range", "bytes=4-7", "If-Range", tag).bytes()).hasSize(4);
    assertThat(http.get(path, "Range", "bytes=4-7", "If-Range", "\"old\"").bytes()).hasSize(size);
    Answer head = http.send(http.request(path).HEAD());
    assertThat(head.header("content-length")).isEqualTo(Integer.toString(size));
    assertThat(head.bytes()).isEmpty();
    assertThat(http.get("/api/Generation/Download?offset=9&jobId=" + done.getId()).bytes())
        .isEqualTo(video.substring(9).toByteArray());
  }

  @Test
  void shouldSendStreamAndTraceWhenAJobIsDone() throws Exception {
    Job done = done();
    String files = "/api/jobs/" + done.getId();

    Answer stream = http.get(files + "/stream");
    Answer trace = http.get(files + "/trace");

    assertThat(stream.bytes()).hasSize(Math.toIntExact(done.getStreamBytes()));
    assertThat(stream.header("content-type")).isEqualTo("video/mp4");
    assertThat(trace.json().getAsJsonArray("traceEvents")).isNotEmpty();
  }

  @Test
  void shouldSayWhyWhenThereIsNoVideo() throws Exception {
    FakeWorker worker = cluster.worker("w0", FakeWorker.card());
    worker.behaviour = FakeWorker.Behaviour.HOLD;
    cluster.joined(worker);

    Answer early = http.get("/api/jobs/" + submit().getId() + "/video", "Range", "bytes=0-1");

    assertThat(early.status()).isEqualTo(400);
    assertThat(early.error().get("reason").getAsString()).isEqualTo("WRONG_STATE");
    assertThat(http.get("/api/jobs/none/video").status()).isEqualTo(404);
  }

  @Test
  void shouldSayWhatGrpcHealthSays() throws Exception {
    assertThat(http.get("/healthz").status()).isEqualTo(200);
    assertThat(http.get("/healthz?service=longtake.v1.Generation").status()).isEqualTo(503);
    cluster.joined("w0");
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
    while (http.get("/healthz?service=longtake.v1.Generation").status() != 200) {
      assertThat(System.nanoTime()).as("it serves").isLessThan(deadline);
    }
    assertThat(http.get("/healthz?service=none").status()).isEqualTo(404);
  }
}
