package dev.longtake.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.protobuf.Message;
import com.google.protobuf.util.Durations;
import dev.longtake.common.metrics.Metric;
import dev.longtake.coordinator.HttpApi.Answer;
import dev.longtake.coordinator.access.Access;
import dev.longtake.coordinator.video.TestFrames;
import dev.longtake.coordinator.web.http.HttpLimits;
import dev.longtake.coordinator.web.json.ProtoJson;
import dev.longtake.v1.CancelJobRequest;
import dev.longtake.v1.ClusterGrpc;
import dev.longtake.v1.GenerationGrpc;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.LongVideo;
import dev.longtake.v1.Plan;
import dev.longtake.v1.Priority;
import dev.longtake.v1.SubmitRequest;
import io.grpc.MethodDescriptor;
import io.grpc.ServiceDescriptor;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Requests with every field within and beyond its range, by each way that there is to send one. */
final class BadInputTest {
  private static final long SEED = 20261127;

  /** What is wrong with a request, or with its time, is said so; nothing of this is our mistake. */
  private static final Set<Status.Code> REFUSALS =
      Set.of(
          Status.Code.INVALID_ARGUMENT,
          Status.Code.FAILED_PRECONDITION,
          Status.Code.NOT_FOUND,
          Status.Code.RESOURCE_EXHAUSTED);

  private static final SubmitRequest VALID =
      SubmitRequest.newBuilder()
          .setRequest(
              GenerationRequest.newBuilder()
                  .setPrompt("a red circle")
                  .setWidth(64)
                  .setHeight(48)
                  .setFrames(6)
                  .setSteps(4)
                  .setGuidance(3)
                  .setSeed(7)
                  .setUpscale(1)
                  .setPlan(Plan.newBuilder().setSequenceRanks(1))
                  .setLongVideo(LongVideo.newBuilder().setSegments(2).setOverlap(3)))
          .setTenant("a")
          .setPriority(Priority.PRIORITY_LOW)
          .setDeadline(Durations.fromHours(1))
          .build();

  @TempDir Path folder;
  private TestCluster cluster;
  private HttpApi http;

  @BeforeEach
  void start() throws Exception {
    cluster =
        TestCluster.withHttp(
            folder.resolve("data"),
            Access.open(),
            HttpLimits.of(HttpLimits.DEFAULT_REQUESTS_PER_ADDRESS));
    http = new HttpApi(cluster.coordinator.httpUrl());
    FakeWorker worker = cluster.worker("w0", FakeWorker.card());
    worker.behaviour = FakeWorker.Behaviour.HOLD;
    cluster.joined(worker);
  }

  /** Others are served as ever, and nothing is left of those who were refused. */
  @AfterEach
  void stop() {
    assertThat(cluster.submit().getId()).isNotEmpty();
    http.close();
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
    while (cluster.gauge(Metric.HTTP_CONNECTIONS) + cluster.gauge(Metric.HTTP_REQUESTS_OPEN) > 0) {
      assertThat(System.nanoTime()).as("connections end").isLessThan(deadline);
    }
    cluster.close();
  }

  private void cancel(String id) {
    var _ = cluster.generation().cancel(CancelJobRequest.newBuilder().setJobId(id).build());
  }

  @Test
  void shouldRefuseByGrpcWhatNoFieldMayHold() {
    BadInputs inputs = new BadInputs(SEED);
    int accepted = 0;
    int refused = 0;
    for (BadInputs.Path path : BadInputs.paths(SubmitRequest.getDescriptor())) {
      for (Message request : inputs.mutations(VALID, path)) {
        try {
          cancel(cluster.generation().submit((SubmitRequest) request).getId());
          accepted++;
        } catch (StatusRuntimeException e) {
          assertThat(e.getStatus().getCode()).as("%s: %s", path, e).isIn(REFUSALS);
          refused++;
        }
      }
    }
    assertThat(accepted).isGreaterThan(50);
    assertThat(refused).isGreaterThan(100);
  }

  @Test
  void shouldRefuseByGrpcWhatIsNoMessage() throws Exception {
    byte[] cut = {10, 7, 'n', 'o'};
    for (ServiceDescriptor service :
        List.of(GenerationGrpc.getServiceDescriptor(), ClusterGrpc.getServiceDescriptor())) {
      for (MethodDescriptor<?, ?> method : service.getMethods()) {
        assertThat(AccessTest.call(cluster.channel(), method, cut))
            .as("%s", method.getFullMethodName())
            .isEqualTo(Status.Code.INVALID_ARGUMENT);
      }
    }
    byte[] notUtf8 = {10, 2, (byte) 0xc3, (byte) 0x28};
    assertThat(AccessTest.call(cluster.channel(), GenerationGrpc.getGetMethod(), notUtf8))
        .isEqualTo(Status.Code.INVALID_ARGUMENT);
  }

  private void post(String path, String type, byte[] body, String what) {
    Answer answer = http.post(path, type, body);
    if (answer.status() == 200) {
      cancel(answer.json().get("id").getAsString());
    } else {
      assertThat(answer.status())
          .as(() ->
              "%s got %s".formatted(what.substring(0, Math.min(300, what.length())), answer.text()))
          .isBetween(400, 499);
      assertThat(answer.error().get("message").getAsString()).isNotEmpty().hasSizeLessThan(1000);
    }
  }

  @Test
  void shouldRefuseAsJsonWhatNoFieldMayHold() {
    BadInputs inputs = new BadInputs(SEED);
    String valid = ProtoJson.print(VALID);
    byte[] bytes = valid.getBytes(StandardCharsets.UTF_8);
    for (String json : inputs.mutations(JsonParser.parseString(valid).getAsJsonObject())) {
      post(
          "/api/Generation/Submit",
          "application/json",
          json.getBytes(StandardCharsets.UTF_8),
          json);
    }
    for (int i = 0; i < 200; i++) {
      byte[] broken = inputs.broken(bytes);
      post(
          "/api/Generation/Submit",
          "application/json",
          broken,
          new String(broken, StandardCharsets.ISO_8859_1));
    }
  }

  @Test
  void shouldRefuseAsVideosWhatNoFieldMayHold() throws Exception {
    BadInputs inputs = new BadInputs(SEED);
    JsonObject valid = new JsonObject();
    Map.of("prompt", "a red circle", "model", "shapes", "seconds", "1", "size", "64x48")
        .forEach(valid::addProperty);
    for (String json : inputs.mutations(valid)) {
      post("/v1/videos", "application/json", json.getBytes(StandardCharsets.UTF_8), json);
    }
    byte[] form = form();
    for (int i = 0; i < 200; i++) {
      byte[] broken = inputs.broken(form);
      post(
          "/v1/videos",
          "multipart/form-data; boundary=XX",
          broken,
          new String(broken, StandardCharsets.ISO_8859_1));
    }
    for (String type :
        List.of(
            "multipart/form-data",
            "multipart/form-data; boundary=",
            "multipart/form-data; boundary=\"",
            "multipart/form-data; boundary=YY",
            "multipart/form-data; boundary=" + "x".repeat(2000))) {
      post("/v1/videos", type, form, type);
    }
  }

  private static byte[] form() throws Exception {
    ByteArrayOutputStream form = new ByteArrayOutputStream();
    form.writeBytes(
        """
        --XX\r
        Content-Disposition: form-data; name="prompt"\r
        \r
        a red circle\r
        --XX\r
        Content-Disposition: form-data; name="input_reference"; filename="a.png"\r
        \r
        """
            .getBytes(StandardCharsets.UTF_8));
    form.writeBytes(TestFrames.png(64, 48, 3));
    form.writeBytes("\r\n--XX--\r\n".getBytes(StandardCharsets.UTF_8));
    return form.toByteArray();
  }

  /** What no HTTP client would send is sent as well. */
  private String statusLine(String path) throws Exception {
    try (Wire wire = new Wire(cluster.coordinator.httpUrl())) {
      return wire.send(
              "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".formatted(path))
          .readToEnd()
          .lines()
          .findFirst()
          .orElseThrow();
    }
  }

  @Test
  void shouldRefuseParametersThatNoFieldHas() throws Exception {
    for (String query :
        List.of(
            "limit=x",
            "limit=-1",
            "limit=1e400",
            "unknown=1",
            "limit.x=1",
            "limit=1&limit.x=1",
            "limit=1&limit=2",
            ".=1",
            "=1",
            "limit=%ff",
            "limit=%zz",
            "limit=" + "9".repeat(3000))) {
      assertThat(statusLine("/api/Generation/List?" + query)).as(query).startsWith("HTTP/1.1 4");
    }
    for (String id : List.of("%00", "%ff", "..", "x".repeat(3000), "%F0%9F%98%80", "a%0d%0ab")) {
      assertThat(statusLine("/api/jobs/" + id + "/video")).as(id).startsWith("HTTP/1.1 4");
      assertThat(statusLine("/v1/videos/" + id)).as(id).startsWith("HTTP/1.1 4");
    }
  }
}
