package dev.longtake.ops.launcher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import com.google.gson.JsonParser;
import dev.longtake.client.LongtakeClient;
import dev.longtake.client.LongtakeClientException;
import dev.longtake.common.digest.Sha256;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.rpc.Endpoints;
import dev.longtake.common.rpc.GrpcErrors;
import dev.longtake.common.tls.PrivateAuthority;
import dev.longtake.common.tls.TlsFiles;
import dev.longtake.common.tls.TlsIdentity;
import dev.longtake.v1.DescribeRequest;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.Job;
import dev.longtake.v1.JobState;
import dev.longtake.v1.WorkerGrpc;
import io.grpc.ManagedChannel;
import io.grpc.StatusRuntimeException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A cluster of processes that show one another certificates, with a coordinator that asks for keys, and callers that may call and that
 * may not.
 */
final class SecuredClusterTest {
  @TempDir Path folder;
  @TempDir Path elsewhere;

  @Test
  void shouldMakeVideosForThoseWithKeysOnly() throws Exception {
    TlsFiles files = PrivateAuthority.create(folder).issue("cluster");
    TlsFiles foreign = PrivateAuthority.create(elsewhere).issue("stranger");
    Path access =
        Files.writeString(
            folder.resolve("access.yaml"),
            "keys:\n"
                + entry("anna", "user, tenant: studio")
                + entry("root", "operator")
                + entry("node", "worker"));
    List<String> tls = files.arguments();
    try (TestCluster cluster =
        TestCluster.start(
            folder,
            TestModels.DEMO,
            2,
            both(tls, "--access", access.toString(), "--http-port", "0"),
            both(tls, "--api-key-file", keyFile("node").toString()),
            address -> client(address, files, "root"))) {
      String address = cluster.address();
      try (LongtakeClient anna = client(address, files, "anna")) {
        Job job =
            anna.submit(
                GenerationRequest.newBuilder()
                    .setPrompt("a red circle moving right on a black background")
                    .setSteps(2)
                    .build());
        assertThat(anna.watch(job.getId(), _ -> {}).getState()).isEqualTo(JobState.JOB_STATE_DONE);
        Path video = anna.download(job.getId(), folder.resolve("video.mp4"));
        assertThat(Files.size(video)).isPositive();
        assertThat(job.getTenant()).isEqualTo("studio");
        shouldFail(
            anna,
            LongtakeClient::clusterStatus,
            LongtakeClientException.PERMISSION_DENIED,
            "key 'anna' is a user");
      }
      shouldBeRefused(LongtakeClient.builder().address(address).build(), "it expects TLS");
      shouldBeRefused(
          LongtakeClient.builder().address(address).tls(foreign.authorities()).build(),
          "TLS with it failed: Path does not chain");
      try (LongtakeClient keyless =
          LongtakeClient.builder().address(address).tls(files.authorities()).build()) {
        shouldFail(
            keyless,
            client -> client.list(1),
            LongtakeClientException.UNAUTHENTICATED,
            "the call shows none");
      }
      shouldRefuseCallsToWorkers(cluster, TlsIdentity.read(files));
      if (Curl.isInstalled()) {
        shouldMakeAVideoByCurl(cluster.coordinator().httpUrl(), files);
      }
      Program.Result shown =
          Program.run(
              folder,
              "status",
              "--coordinator",
              address,
              "--tls-ca",
              files.authorities().toString(),
              "--api-key-file",
              keyFile("root").toString());
      assertThat(shown.out()).contains("workers  2");
      Program.Result refused =
          Program.run(
              folder,
              "jobs",
              "--coordinator",
              address,
              "--tls-ca",
              files.authorities().toString(),
              "--api-key-file",
              Files.createFile(folder.resolve("empty")).toString());
      assertThat(refused.status()).isEqualTo(2);
      assertThat(refused.err()).contains("Expected a key of 1 to 256 letters", "got 0 characters");
    }
  }

  private static List<String> both(List<String> options, String... more) {
    return Stream.concat(options.stream(), Stream.of(more)).toList();
  }

  private static String entry(String name, String role) {
    return "  - {name: %s, role: %s, sha256: %s}%n"
        .formatted(name, role, Sha256.hex(key(name).getBytes(StandardCharsets.UTF_8)));
  }

  private static String key(String name) {
    return "the-key-of-" + name;
  }

  private Path keyFile(String name) throws IOException {
    return Files.writeString(folder.resolve(name + ".api-key"), key(name) + "\n");
  }

  private static LongtakeClient client(String address, TlsFiles files, String name) {
    return LongtakeClient.builder()
        .address(address)
        .tls(files.authorities())
        .apiKey(key(name))
        .build();
  }

  /** As docs/http.md does. */
  private void shouldMakeAVideoByCurl(String url, TlsFiles files) throws Exception {
    Curl anna = new Curl(url, files, key("anna"));
    String submitted =
        anna.ask(
            folder,
            "api/Generation/Submit",
            "-H",
            "Content-Type: application/json",
            "-d",
            """
            {"request": {"prompt": "a red circle moving right on a black background", "steps": 2}}\
            """);
    String id =
        JsonParser.parseString(submitted).getAsJsonObject().getAsJsonPrimitive("id").getAsString();
    String events = anna.ask(folder, "api/Generation/Watch?jobId=" + id, "-N");
    assertThat(events)
        .contains("\"queued\"", "\"stepDone\"", "JOB_STATE_DONE")
        .endsWith("event: end\ndata: {}\n\n");
    assertThat(anna.ask(folder, "v1/videos/" + id)).contains("\"status\":\"completed\"");
    assertThat(anna.ask(folder, "v1/videos/" + id + "/content", "-r", "4-7")).isEqualTo("ftyp");
    Path file = folder.resolve("by-curl.mp4");
    assertThat(anna.ask(folder, "v1/videos/" + id + "/content", "-o", file.toString())).isEmpty();
    assertThat(Files.size(file)).isPositive();
    Curl nobody = new Curl(url, files, "");
    assertThat(nobody.ask(folder, "api/Generation/List"))
        .contains("\"code\":401", "\"reason\":\"UNAUTHENTICATED\"");
    assertThat(nobody.ask(folder, "")).contains("<title>Longtake</title>");
  }

  /** Even with a certificate of the cluster: orders come from the coordinator alone. */
  private static void shouldRefuseCallsToWorkers(TestCluster cluster, TlsIdentity identity) {
    ManagedChannel channel = Endpoints.connect(cluster.worker(0).address(), identity);
    try {
      StatusRuntimeException failure =
          catchThrowableOfType(
              StatusRuntimeException.class,
              () ->
                  WorkerGrpc.newBlockingStub(channel)
                      .withDeadlineAfter(60, TimeUnit.SECONDS)
                      .describe(DescribeRequest.getDefaultInstance()));
      assertThat(GrpcErrors.fromStatus(failure, "w1").code()).isEqualTo(ErrorCode.UNAUTHENTICATED);
      assertThat(failure).hasMessageContaining("call the coordinator instead");
    } finally {
      channel.shutdownNow();
    }
  }

  private static void shouldFail(
      LongtakeClient caller, Consumer<LongtakeClient> call, String reason, String words) {
    LongtakeClientException failure =
        catchThrowableOfType(LongtakeClientException.class, () -> call.accept(caller));
    assertThat(failure.reason()).isEqualTo(reason);
    assertThat(failure).hasMessageContaining(words);
  }

  private static void shouldBeRefused(LongtakeClient caller, String why) {
    try (caller) {
      LongtakeClientException failure =
          catchThrowableOfType(LongtakeClientException.class, caller::clusterStatus);
      assertThat(failure.reason()).isEqualTo(LongtakeClientException.UNREACHABLE);
      assertThat(failure)
          .hasMessageStartingWith("Expected a Longtake coordinator at " + caller.address())
          .hasMessageContaining(why);
    }
  }
}
