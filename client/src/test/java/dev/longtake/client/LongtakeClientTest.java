package dev.longtake.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.longtake.v1.ExplainRequest;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.Job;
import dev.longtake.v1.JobEvent;
import dev.longtake.v1.JobState;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

class LongtakeClientTest {
  @TempDir Path folder;

  private ScriptedServer server;
  private LongtakeClient client;

  @BeforeEach
  void start() throws IOException {
    server = new ScriptedServer();
    client =
        LongtakeClient.builder()
            .address(server.address())
            .reconnectTimeout(Duration.ofSeconds(1))
            .build();
  }

  @AfterEach
  void stop() {
    client.close();
    server.close();
  }

  private static void assertRefused(ThrowingCallable call, String reason, String message) {
    assertThatThrownBy(call)
        .isInstanceOfSatisfying(
            LongtakeClientException.class, e -> assertThat(e.reason()).isEqualTo(reason))
        .hasMessageContaining(message);
  }

  @Test
  void shouldCarryReasonFieldAndMessageWhenTheServerRefuses() {
    assertThatThrownBy(() -> client.submit(GenerationRequest.getDefaultInstance()))
        .isInstanceOfSatisfying(
            LongtakeClientException.class,
            e -> {
              assertThat(e.reason()).isEqualTo("INVALID_REQUEST");
              assertThat(e.field()).contains("prompt");
            })
        .hasMessage("Expected a prompt, but it is empty");
    assertRefused(() -> client.get("job-2"), "NO_SUCH_JOB", "but got 'job-2'");
    assertThatThrownBy(() -> client.get("job-2"))
        .isInstanceOfSatisfying(
            LongtakeClientException.class, e -> assertThat(e.field()).isEmpty());
  }

  @Test
  void shouldSayWhatToStartWhenNothingListens() throws IOException {
    int port;
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      port = socket.getLocalPort();
    }
    try (LongtakeClient lonely = LongtakeClient.builder().address("127.0.0.1:" + port).build()) {
      assertRefused(
          lonely::clusterStatus,
          LongtakeClientException.UNREACHABLE,
          "Expected a Longtake coordinator at 127.0.0.1:%d, but nothing answers".formatted(port));
    }
  }

  @Test
  @Timeout(60)
  void shouldNotWaitForACoordinatorThatNeverAnswered() throws IOException {
    int port;
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      port = socket.getLocalPort();
    }
    try (LongtakeClient lonely =
            LongtakeClient.builder()
                .address("127.0.0.1:" + port)
                .reconnectTimeout(Duration.ofDays(1))
                .build();
        JobEvents events = lonely.events("job-1", 0)) {
      assertRefused(events::hasNext, LongtakeClientException.UNREACHABLE, "nothing answers");
      assertRefused(
          () -> lonely.submit(GenerationRequest.getDefaultInstance()),
          LongtakeClientException.UNREACHABLE,
          "nothing answers");
    }
  }

  @Test
  void shouldNameTheFileWhenTlsCannotUseIt() throws IOException {
    Path nowhere = folder.resolve("nowhere.pem");
    Path text = Files.writeString(folder.resolve("text.pem"), "no certificate");
    assertRefused(
        () -> LongtakeClient.builder().tls(text, text, nowhere),
        LongtakeClientException.INVALID_REQUEST,
        "Expected a PEM file for TLS, but '%s' can't be read".formatted(nowhere));
    assertRefused(
        () -> LongtakeClient.builder().tls(text, text, text),
        LongtakeClientException.INVALID_REQUEST,
        "authorities in PEM for TLS, but: File does not contain valid certificates: " + text);
  }

  @Test
  void shouldNameTheAddressWhenItsFormIsWrong() {
    for (String address : List.of("", "host", "host:", ":7400", "host:0", "host:65536", "host:x")) {
      assertRefused(
          () -> LongtakeClient.builder().address(address).build(),
          LongtakeClientException.INVALID_REQUEST,
          "but got '%s'".formatted(address));
    }
  }

  @Test
  void shouldSeeEveryEventOnceWhenTheStreamBreaksTwice() {
    server.watchesToBreak.set(2);
    var seen = new ArrayList<JobEvent>();
    Job ended = client.watch("job-1", seen::add);
    assertThat(seen).extracting(JobEvent::getSequence).containsExactly(1L, 2L, 3L, 4L, 5L, 6L);
    assertThat(server.watchSequences).containsExactly(0L, 2L, 4L);
    assertThat(ended.getState()).isEqualTo(JobState.JOB_STATE_DONE);
  }

  private LongtakeClient clientOf(ScriptedServer... servers) {
    return LongtakeClient.builder()
        .addresses(Stream.of(servers).map(ScriptedServer::address).toList())
        .build();
  }

  @Test
  void shouldCallWhoLeadsWhenThereAreSeveralCoordinators() throws IOException {
    try (ScriptedServer standby = new ScriptedServer();
        LongtakeClient several = clientOf(standby, server)) {
      standby.isStandby = true;
      assertThat(several.address()).isEqualTo(standby.address() + "," + server.address());

      assertThat(several.clusterStatus().getModel().getName()).isEqualTo("demo");
      Path file = several.download("job-1", folder.resolve("a.mp4"));

      assertThat(file).hasBinaryContent(server.video);
      assertThat(standby.downloadOffsets).isEmpty();
      assertThatThrownBy(() -> several.get("job-2")).hasMessageContaining("but got 'job-2'");
    }
  }

  @Test
  void shouldSeeEveryEventOnceWhenAnotherCoordinatorTakesOver() throws IOException {
    try (ScriptedServer next = new ScriptedServer();
        LongtakeClient several = clientOf(server, next)) {
      next.isStandby = true;
      server.watchesToBreak.set(1);
      server.onWatchBreaks =
          () -> {
            server.isStandby = true;
            next.isStandby = false;
          };
      var seen = new ArrayList<JobEvent>();
      Job ended = several.watch("job-1", seen::add);

      assertThat(seen).extracting(JobEvent::getSequence).containsExactly(1L, 2L, 3L, 4L, 5L, 6L);
      assertThat(server.watchSequences).containsExactly(0L);
      assertThat(next.watchSequences).containsExactly(2L);
      assertThat(ended.getState()).isEqualTo(JobState.JOB_STATE_DONE);
    }
  }

  @Test
  @Timeout(60)
  void shouldSayThatItIsAStandbyWhenOnlyThatIsKnown() {
    server.isStandby = true;
    try (LongtakeClient lonely =
        LongtakeClient.builder()
            .address(server.address())
            .reconnectTimeout(Duration.ofDays(1))
            .build()) {
      assertRefused(
          () -> lonely.submit(GenerationRequest.getDefaultInstance()),
          LongtakeClientException.NOT_LEADER,
          "Expected the coordinator that leads");
      assertRefused(
          lonely::clusterStatus, LongtakeClientException.NOT_LEADER, "Expected the coordinator");
    }
  }

  @Test
  void shouldGiveUpWhenTheStreamNeverComesBack() {
    try (JobEvents events = client.events("job-1", 0)) {
      server.watchesToBreak.set(1);
      assertThat(events.next().getSequence()).isEqualTo(1);
      assertThat(events.next().getSequence()).isEqualTo(2);
      server.close();
      assertRefused(events::hasNext, LongtakeClientException.UNREACHABLE, "nothing answers there");
    }
  }

  @Test
  void shouldResumeWhereItBrokeWhenADownloadBreaks() throws IOException {
    server.downloadsToBreak.set(2);
    Path file = client.download("job-1", folder.resolve("a.mp4"));
    assertThat(file).hasBinaryContent(server.video);
    assertThat(server.downloadOffsets).containsExactly(0L, 3000L, 6000L);
    assertThat(folder).isDirectoryNotContaining("glob:**.part");
  }

  @Test
  void shouldGoOnWhereItBrokeWhenAStreamBreaks() {
    server.downloadsToBreak.set(2);
    ByteArrayOutputStream played = new ByteArrayOutputStream();

    long bytes = client.stream("job-1", played);

    assertThat(played.toByteArray()).isEqualTo(server.video).hasSize((int) bytes);
    assertThat(server.downloadOffsets).containsExactly(0L, 3000L, 6000L);
    assertRefused(() -> client.stream("job-2", played), "NO_SUCH_JOB", "but got 'job-2'");
  }

  @Test
  void shouldSayWhyWhenWhatIsStreamedCannotBeWritten() {
    OutputStream full =
        new OutputStream() {
          @Override
          public void write(int b) throws IOException {
            throw new IOException("the player has gone");
          }
        };

    assertRefused(
        () -> client.stream("job-1", full),
        LongtakeClientException.LOCAL_FILE,
        "the player has gone");
  }

  @Test
  void shouldSeePreviewsAgainWhenTheirStreamBreaks() {
    server.downloadsToBreak.set(1);
    List<Integer> steps = new ArrayList<>();

    client.previews("job-1", preview -> steps.add(preview.getStep()));

    assertThat(steps).endsWith(5, 10, 15, 20, 25).hasSize(8);
  }

  @Test
  void shouldFetchATokenWhenAskedForAContinuation() {
    assertThat(client.continuation("job-1").getFrames()).isEqualTo(24);
    assertRefused(() -> client.continuation("job-2"), "NO_SUCH_JOB", "but got 'job-2'");
  }

  @Test
  void shouldResumeAnEarlierCallsDownloadWhenItsPartIsThere() throws IOException {
    byte[] start = java.util.Arrays.copyOf(server.video, 4321);
    Files.write(folder.resolve("a.mp4.job-1.part"), start);
    client.download("job-1", folder.resolve("a.mp4"));
    assertThat(folder.resolve("a.mp4")).hasBinaryContent(server.video);
    assertThat(server.downloadOffsets).containsExactly(4321L);
  }

  @Test
  void shouldKeepTheOldFileWhenTheChecksumIsWrong() throws IOException {
    Path file = Files.writeString(folder.resolve("a.mp4"), "old");
    server.downloadsToSpoil.set(1);
    assertRefused(
        () -> client.download("job-1", file), LongtakeClientException.CHECKSUM_MISMATCH, "SHA-256");
    assertThat(file).hasContent("old");
    assertThat(folder).isDirectoryNotContaining("glob:**.part");
    client.download("job-1", file);
    assertThat(file).hasBinaryContent(server.video);
  }

  @Test
  void shouldRefuseToDownloadWhenTheJobIsNotDone() {
    server.endState = JobState.JOB_STATE_RUNNING;
    assertRefused(
        () -> client.download("job-1", folder.resolve("a.mp4")),
        LongtakeClientException.WRONG_STATE,
        "but it is RUNNING");
    assertThat(folder).isEmptyDirectory();
  }

  @Test
  void shouldNameTheFileWhenItCannotBeWritten() {
    Path file = folder.resolve("missing").resolve("a.mp4");
    assertRefused(
        () -> client.download("job-1", file), LongtakeClientException.LOCAL_FILE, file.toString());
  }

  @Test
  void shouldListCancelAndDescribeWhenAsked() {
    assertThat(client.list(0)).extracting(Job::getId).containsExactly("job-1");
    assertThat(client.cancel("job-1").getId()).isEqualTo("job-1");
    assertThat(server.cancelled).containsExactly("job-1");
    assertThat(client.clusterStatus().getModel().getName()).isEqualTo("demo");
  }

  @Test
  void shouldFetchTheTraceFromTheStartWhenTheConnectionBreaks() {
    server.tracesToBreak.set(2);
    Path file = folder.resolve("trace.json");

    assertThat(client.trace("job-1", file)).isEqualTo(file);

    assertThat(file).hasBinaryContent(server.trace);
    assertThat(folder).isDirectoryNotContaining("glob:**.part");
    assertRefused(() -> client.trace("job-2", file), "NO_SUCH_JOB", "but got 'job-2'");
    assertThat(file).as("stays as it was").hasBinaryContent(server.trace);
  }

  @Test
  void shouldAskHowARequestWouldBeDividedWhenExplaining() {
    GenerationRequest request = GenerationRequest.newBuilder().setFrames(9).build();

    assertThat(client.explain(request, 5).getConsidered()).isEqualTo(3);

    assertThat(server.explained)
        .containsExactly(ExplainRequest.newBuilder().setRequest(request).setLimit(5).build());
  }
}
