package dev.longtake.ops.launcher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.longtake.client.LongtakeClient;
import dev.longtake.client.LongtakeClientException;
import dev.longtake.common.tls.PrivateAuthority;
import dev.longtake.common.tls.TlsFiles;
import dev.longtake.v1.ClusterStatus;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.Job;
import dev.longtake.v1.JobState;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A cluster of processes that show one another certificates, a client that has one, and callers that may not call. */
final class TlsClusterTest {
  @TempDir Path folder;
  @TempDir Path elsewhere;

  @Test
  void shouldMakeVideosForClientsWithCertificatesOnly() throws Exception {
    TlsFiles files = PrivateAuthority.create(folder).issue("cluster");
    TlsFiles foreign = PrivateAuthority.create(elsewhere).issue("stranger");
    try (LocalCluster cluster =
        LocalCluster.start(
            LocalCluster.Programs.LONGTAKE,
            TestModels.DEMO,
            List.of("cpu", "cpu"),
            0,
            files.arguments())) {
      String address = cluster.coordinatorAddress();
      try (LongtakeClient client = client(address, files)) {
        Job job =
            client.submit(
                GenerationRequest.newBuilder()
                    .setPrompt("a red circle moving right on a black background")
                    .setSteps(2)
                    .build());
        assertThat(client.watch(job.getId(), _ -> {}).getState())
            .isEqualTo(JobState.JOB_STATE_DONE);
        Path video = client.download(job.getId(), folder.resolve("video.mp4"));
        assertThat(Files.size(video)).isPositive();
        ClusterStatus status = client.clusterStatus();
        assertThat(status.getWorkersCount()).isEqualTo(2);
      }
      shouldBeRefused(LongtakeClient.builder().address(address).build(), "it expects TLS");
      shouldBeRefused(client(address, foreign), "TLS with it failed: Path does not chain");
      Program.Result shown =
          Program.run(
              folder,
              Stream.concat(
                      Stream.of("status", "--coordinator", address), files.arguments().stream())
                  .toArray(String[]::new));
      assertThat(shown.out()).contains("workers  2");
    }
  }

  private static LongtakeClient client(String address, TlsFiles files) {
    return LongtakeClient.builder()
        .address(address)
        .tls(files.certificates(), files.key(), files.authorities())
        .build();
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
