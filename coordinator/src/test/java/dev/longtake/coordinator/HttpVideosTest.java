package dev.longtake.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import dev.longtake.coordinator.HttpApi.Answer;
import dev.longtake.coordinator.access.Access;
import dev.longtake.coordinator.video.TestFrames;
import dev.longtake.coordinator.web.http.HttpLimits;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.GetJobRequest;
import dev.longtake.v1.Job;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Base64;
import java.util.List;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code /v1/videos}, as OpenAI's clients call it. */
final class HttpVideosTest {
  @TempDir Path folder;
  private TestCluster cluster;
  private HttpApi http;

  @BeforeEach
  void start() {
    cluster =
        TestCluster.withHttp(
            folder.resolve("data"),
            Access.open(),
            HttpLimits.of(HttpLimits.DEFAULT_REQUESTS_PER_ADDRESS));
    http = new HttpApi(cluster.coordinator.httpUrl());
  }

  @AfterEach
  void stop() {
    http.close();
    cluster.close();
  }

  private FakeWorker holding() throws Exception {
    FakeWorker worker = cluster.worker("w0", FakeWorker.card());
    worker.behaviour = FakeWorker.Behaviour.HOLD;
    return cluster.joined(worker);
  }

  private JsonObject create(String json) {
    Answer answer = http.post("/v1/videos", json);
    assertThat(answer.status()).as(answer.text()).isEqualTo(200);
    return answer.json();
  }

  private static String id(JsonObject video) {
    return video.get("id").getAsString();
  }

  private GenerationRequest request(JsonObject video) {
    return cluster
        .generation()
        .get(GetJobRequest.newBuilder().setJobId(id(video)).build())
        .getRequest();
  }

  @Test
  void shouldShowAVideoFromItsCreationToItsContent() throws Exception {
    FakeWorker worker = holding();
    JsonObject created =
        create(
            """
            {"prompt": "a red circle", "model": "shapes", "size": "32x48", "seconds": "2"}\
            """);
    String path = "/v1/videos/" + id(created);
    cluster.awaitEvent(id(created), event -> event.hasStepDone());

    JsonObject making = http.get(path).json();
    Answer early = http.get(path + "/content");
    worker.finish(id(created));
    Job job = cluster.end(id(created));
    JsonObject made = http.get(path).json();

    assertThat(created.get("object").getAsString()).isEqualTo("video");
    assertThat(created.get("model").getAsString()).isEqualTo("shapes");
    assertThat(created.get("size").getAsString()).isEqualTo("32x48");
    assertThat(created.get("seconds").getAsString()).isEqualTo("2");
    assertThat(request(created).getFrames()).as("8 a second").isEqualTo(16);
    assertThat(making.get("status").getAsString()).isEqualTo("in_progress");
    assertThat(making.get("progress").getAsInt()).as("1 of 4 steps").isEqualTo(25);
    assertThat(early.status()).isEqualTo(400);
    assertThat(early.error().get("type").getAsString()).isEqualTo("invalid_request_error");
    assertThat(early.error().get("code").getAsString()).isEqualTo("wrong_state");
    assertThat(made.get("status").getAsString()).isEqualTo("completed");
    assertThat(made.get("progress").getAsInt()).isEqualTo(100);
    assertThat(made.get("created_at").getAsLong()).isEqualTo(job.getSubmittedAt().getSeconds());
    assertThat(made.get("completed_at").getAsLong())
        .isGreaterThanOrEqualTo(made.get("created_at").getAsLong());
    assertThat(made.get("error").isJsonNull()).isTrue();
    Answer content = http.get(path + "/content");
    assertThat(content.header("content-type")).isEqualTo("video/mp4");
    assertThat(content.bytes()).hasSize(Math.toIntExact(job.getVideo().getSizeBytes()));
    assertThat(http.get(path + "/content", "Range", "bytes=4-7").text()).isEqualTo("ftyp");
    assertThat(http.get(path + "/content?variant=thumbnail").error().get("param").getAsString())
        .isEqualTo("variant");
  }

  @Test
  void shouldMakeSegmentsWhenSecondsAreMoreThanAClip() throws Exception {
    holding();

    GenerationRequest request = request(create("{\"prompt\": \"a red circle\", \"seconds\": 10}"));

    // 80 frames: 6 of the first segment, 3 of each other.
    assertThat(request.getLongVideo().getSegments()).isEqualTo(26);
    assertThat(request.getFrames()).isEqualTo(6);
  }

  @Test
  void shouldTakeAFormWithAFile() throws Exception {
    FakeWorker worker = holding();
    byte[] picture = TestFrames.png(64, 48, 3);
    ByteArrayOutputStream form = new ByteArrayOutputStream();
    for (String[] field : new String[][] {{"prompt", "a röd circle"}, {"seconds", "1"}}) {
      form.writeBytes(
          "--XX\r\nContent-Disposition: form-data; name=\"%s\"\r\n\r\n%s\r\n"
              .formatted(field[0], field[1])
              .getBytes(StandardCharsets.UTF_8));
    }
    form.writeBytes(
        "--XX\r\nContent-Disposition: form-data; name=\"input_reference\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n"
            .getBytes(StandardCharsets.UTF_8));
    form.writeBytes(picture);
    form.writeBytes("\r\n--XX--\r\n".getBytes(StandardCharsets.UTF_8));

    Answer answer = http.post("/v1/videos", "multipart/form-data; boundary=XX", form.toByteArray());
    JsonObject byUrl =
        create(
            "{\"prompt\": \"a red circle\", \"input_reference\": {\"image_url\": \"data:image/png;base64,%s\"}}"
                .formatted(Base64.getEncoder().encodeToString(picture)));

    assertThat(answer.status()).as(answer.text()).isEqualTo(200);
    assertThat(answer.json().get("prompt").getAsString()).isEqualTo("a röd circle");
    assertThat(worker.encodedFrames).as("what the file shows").containsExactly(3, 3);
    assertThat(request(byUrl).getPrompt()).isEqualTo("a red circle");
  }

  private static List<String> ids(JsonObject list) {
    JsonArray data = list.getAsJsonArray("data");
    return StreamSupport.stream(data.spliterator(), false)
        .map(JsonElement::getAsJsonObject)
        .map(HttpVideosTest::id)
        .toList();
  }

  @Test
  void shouldListPageByPage() throws Exception {
    holding();
    List<String> made =
        List.of(
            id(create("{\"prompt\": \"one\"}")),
            id(create("{\"prompt\": \"two\"}")),
            id(create("{\"prompt\": \"three\"}")));

    JsonObject newest = http.get("/v1/videos?limit=2").json();
    JsonObject rest = http.get("/v1/videos?limit=2&after=" + made.get(1)).json();
    JsonObject oldest = http.get("/v1/videos?order=asc").json();

    assertThat(newest.get("object").getAsString()).isEqualTo("list");
    assertThat(ids(newest)).containsExactly(made.get(2), made.get(1));
    assertThat(newest.get("has_more").getAsBoolean()).isTrue();
    assertThat(newest.get("last_id").getAsString()).isEqualTo(made.get(1));
    assertThat(ids(rest)).containsExactly(made.get(0));
    assertThat(rest.get("has_more").getAsBoolean()).isFalse();
    assertThat(ids(oldest)).isEqualTo(made);
    for (String wrong : List.of("limit=0", "limit=101", "limit=x", "order=up", "after=none")) {
      assertThat(http.get("/v1/videos?" + wrong).error().get("param").getAsString())
          .isEqualTo(wrong.substring(0, wrong.indexOf('=')));
    }
  }

  @Test
  void shouldCancelWhenDeletedAndSayThatEndedOnesStay() throws Exception {
    FakeWorker worker = holding();
    JsonObject stopped = create("{\"prompt\": \"one\"}");
    Answer deleted = http.send(http.request("/v1/videos/" + id(stopped)).DELETE());
    cluster.end(id(stopped));
    JsonObject done = create("{\"prompt\": \"two\"}");
    cluster.awaitEvent(id(done), event -> event.hasStepDone());
    worker.finish(id(done));
    cluster.end(id(done));

    Answer kept = http.send(http.request("/v1/videos/" + id(done)).DELETE());

    assertThat(deleted.status()).isEqualTo(200);
    assertThat(deleted.json().get("object").getAsString()).isEqualTo("video.deleted");
    assertThat(deleted.json().get("deleted").getAsBoolean()).isTrue();
    JsonObject after = http.get("/v1/videos/" + id(stopped)).json();
    assertThat(after.get("status").getAsString()).isEqualTo("failed");
    assertThat(after.getAsJsonObject("error").get("code").getAsString()).isEqualTo("canceled");
    assertThat(kept.status()).isEqualTo(409);
    assertThat(kept.error().get("message").getAsString()).contains(id(done) + " has ended");
    assertThat(http.send(http.request("/v1/videos/none").DELETE()).status()).isEqualTo(404);
  }

  @Test
  void shouldNameTheParameterWhenARequestIsWrong() throws Exception {
    Answer nobody = http.post("/v1/videos", "{\"prompt\": \"one\"}");
    holding();
    String[][] wrong = {
      {"{}", "prompt"},
      {"{\"prompt\": 1, \"size\": \"1x1\"}", "size"},
      {"{\"prompt\": \"a\", \"size\": \"big\"}", "size"},
      {"{\"prompt\": \"a\", \"seconds\": \"-1\"}", "seconds"},
      {"{\"prompt\": \"a\", \"seconds\": 999999}", "seconds"},
      {"{\"prompt\": \"a\", \"seconds\": true}", "seconds"},
      {"{\"prompt\": \"a\", \"quality\": \"hd\"}", "quality"},
      {"{\"prompt\": \"a\", \"input_reference\": \"x\"}", "input_reference"},
      {"{\"prompt\": \"a\"", "body"},
      {"[]", "body"},
    };

    for (String[] one : wrong) {
      Answer answer = http.post("/v1/videos", one[0]);
      assertThat(answer.status()).as(one[0]).isEqualTo(400);
      assertThat(answer.error().get("param").getAsString()).as(one[0]).isEqualTo(one[1]);
      assertThat(answer.error().get("code").getAsString()).isEqualTo("invalid_request");
    }
    Answer model = http.post("/v1/videos", "{\"prompt\": \"a\", \"model\": \"sora-2\"}");
    assertThat(model.status()).isEqualTo(404);
    assertThat(model.error().get("code").getAsString()).isEqualTo("model_not_found");
    assertThat(model.error().get("message").getAsString()).contains("'shapes'", "\"sora-2\"");
    assertThat(http.post("/v1/videos", "text/plain", new byte[1]).status()).isEqualTo(415);
    assertThat(http.get("/v1/images").error().get("type").getAsString())
        .isEqualTo("invalid_request_error");
    assertThat(nobody.status()).isEqualTo(503);
    assertThat(nobody.error().get("type").getAsString()).isEqualTo("server_error");
    assertThat(nobody.error().get("code").getAsString()).isEqualTo("no_workers");
  }
}
