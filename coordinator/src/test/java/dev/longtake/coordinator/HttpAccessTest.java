package dev.longtake.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.digest.Sha256;
import dev.longtake.coordinator.HttpApi.Answer;
import dev.longtake.coordinator.access.Access;
import dev.longtake.coordinator.web.http.HttpLimits;
import dev.longtake.v1.ClusterGrpc;
import dev.longtake.v1.GenerationGrpc;
import io.grpc.MethodDescriptor;
import io.grpc.ServiceDescriptor;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A coordinator with keys, called over HTTP with each of them; {@link AccessTest} does the same by gRPC. */
final class HttpAccessTest {
  private static final List<String> CALLERS =
      List.of("nobody", "stranger", "anna", "bert", "root", "node");

  private static final String CLIENTS = "anna bert root";
  private static final String EVERYBODY = "nobody stranger anna bert root node";

  @TempDir Path folder;
  private TestCluster cluster;
  private HttpApi http;

  @BeforeEach
  void start() throws Exception {
    Path file = folder.resolve("access.yaml");
    Files.writeString(
        file,
        "keys:\n"
            + key("anna", "user", "a")
            + key("bert", "user", "b")
            + key("root", "operator", "")
            + key("node", "worker", ""));
    cluster =
        TestCluster.withHttp(
            folder.resolve("data"),
            Access.of(file),
            HttpLimits.of(HttpLimits.DEFAULT_REQUESTS_PER_ADDRESS));
    http = new HttpApi(cluster.coordinator.httpUrl());
  }

  @AfterEach
  void stop() {
    http.close();
    cluster.close();
  }

  private static String key(String name, String role, String tenant) {
    return "  - {name: %s, role: %s, sha256: %s%s}%n"
        .formatted(
            name,
            role,
            Sha256.hex(("key-of-" + name).getBytes(StandardCharsets.UTF_8)),
            tenant.isEmpty() ? "" : ", tenant: " + tenant);
  }

  private Answer send(String caller, HttpRequest.Builder request) {
    return http.send(
        caller.equals("nobody")
            ? request
            : request.header("Authorization", "Bearer key-of-" + caller));
  }

  private Answer post(String caller, String path, String json) {
    return send(
        caller,
        http.request(path)
            .header("Content-Type", "application/json")
            .POST(BodyPublishers.ofString(json)));
  }

  private record Asked(String method, String path) {
    @Override
    public String toString() {
      return method + " " + path;
    }
  }

  @Test
  void shouldLetEachKeyAskForWhatItsRoleMayOnly() {
    Map<Asked, String> expected = new java.util.LinkedHashMap<>();
    List<ServiceDescriptor> services =
        List.of(GenerationGrpc.getServiceDescriptor(), ClusterGrpc.getServiceDescriptor());
    for (ServiceDescriptor service : services) {
      for (MethodDescriptor<?, ?> method : service.getMethods()) {
        String path = "/api/" + method.getFullMethodName().substring("longtake.v1.".length());
        expected.put(
            new Asked("POST", path),
            Set.of("/api/Cluster/Status", "/api/Cluster/Drain").contains(path) ? "root" : CLIENTS);
      }
    }
    // It is not offered to anybody, whoever asks.
    expected.put(new Asked("POST", "/api/Cluster/Join"), EVERYBODY);
    for (String file : List.of("video", "stream", "trace")) {
      expected.put(new Asked("GET", "/api/jobs/1/" + file), CLIENTS);
    }
    expected.put(new Asked("POST", "/v1/videos"), CLIENTS);
    expected.put(new Asked("GET", "/v1/videos"), CLIENTS);
    expected.put(new Asked("GET", "/v1/videos/1"), CLIENTS);
    expected.put(new Asked("DELETE", "/v1/videos/1"), CLIENTS);
    expected.put(new Asked("GET", "/v1/videos/1/content"), CLIENTS);
    for (String open : List.of("/", "/healthz", "/openapi.json")) {
      expected.put(new Asked("GET", open), EVERYBODY);
    }

    Map<String, String> found = new TreeMap<>();
    for (Asked asked : expected.keySet()) {
      List<String> allowed = new ArrayList<>();
      for (String caller : CALLERS) {
        int status =
            send(caller, http.request(asked.path).method(asked.method, body(asked))).status();
        if (status != 401 && status != 403) {
          allowed.add(caller);
        } else {
          assertThat(status == 401)
              .as("%s by %s", asked, caller)
              .isEqualTo(Set.of("nobody", "stranger").contains(caller));
        }
      }
      found.put(asked.toString(), String.join(" ", allowed));
    }

    Map<String, String> wanted = new TreeMap<>();
    expected.forEach((asked, callers) -> wanted.put(asked.toString(), callers));
    assertThat(found).isEqualTo(wanted);
  }

  private static HttpRequest.BodyPublisher body(Asked asked) {
    return asked.method.equals("POST") ? BodyPublishers.ofString("") : BodyPublishers.noBody();
  }

  @Test
  void shouldHideOtherTenantsJobs() throws Exception {
    FakeWorker worker = cluster.worker("w0", FakeWorker.card());
    worker.behaviour = FakeWorker.Behaviour.HOLD;
    worker.join(dev.longtake.common.rpc.Bearer.with("key-of-node", cluster.channel()));
    Answer berts = post("bert", "/v1/videos", "{\"prompt\": \"a red circle\"}");
    String id = berts.json().get("id").getAsString();

    assertThat(send("bert", http.request("/v1/videos/" + id)).status()).isEqualTo(200);
    for (String path :
        List.of(
            "/v1/videos/" + id,
            "/v1/videos/" + id + "/content",
            "/api/jobs/" + id + "/video",
            "/api/jobs/" + id + "/stream",
            "/api/Generation/Get?jobId=" + id,
            "/api/Generation/Watch?jobId=" + id)) {
      assertThat(send("anna", http.request(path)).status()).as(path).isEqualTo(404);
    }
    assertThat(send("anna", http.request("/v1/videos")).json().getAsJsonArray("data")).isEmpty();
    assertThat(send("anna", http.request("/v1/videos/" + id).DELETE()).status()).isEqualTo(404);
    assertThat(
            post(
                    "anna",
                    "/api/Generation/Submit",
                    "{\"request\":{\"prompt\":\"a\"},\"tenant\":\"b\"}")
                .status())
        .isEqualTo(403);
  }
}
