package dev.longtake.ops.launcher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.longtake.client.JobEvents;
import dev.longtake.client.LongtakeClient;
import dev.longtake.client.LongtakeClientException;
import dev.longtake.v1.GenerationGrpc;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.Job;
import dev.longtake.v1.JobEvent;
import dev.longtake.v1.JobState;
import dev.longtake.v1.JobTransition;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.LongStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A coordinator that leads and is killed, frozen or cut off from the database in the middle of a job, and the one that takes over. */
class FailoverTest {
  private static final int STEPS = 40;

  @TempDir Path folder;

  private int databasePort;
  private EmbeddedPostgres database;

  @BeforeEach
  void startDatabase() throws IOException {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      databasePort = socket.getLocalPort();
    }
    restartDatabase();
  }

  /** With what the one before has stored. */
  private void restartDatabase() throws IOException {
    database =
        EmbeddedPostgres.builder()
            .setPort(databasePort)
            .setDataDirectory(folder.resolve("postgresql"))
            .setCleanDataDirectory(false)
            .setOverrideWorkingDirectory(folder.toFile())
            .start();
  }

  @AfterEach
  void stopDatabase() throws IOException {
    database.close();
  }

  private FailoverCluster start() {
    return FailoverCluster.start(folder, database.getJdbcUrl("postgres", "postgres"));
  }

  private static GenerationRequest request(int steps) {
    return GenerationRequest.newBuilder()
        .setPrompt("a red circle moving right on a black background")
        .setSeed(3)
        .setSteps(steps)
        .build();
  }

  private static void untilStep(JobEvents events, int step, List<JobEvent> seen) {
    do {
      seen.add(events.next());
    } while (seen.getLast().getStepDone().getStep() < step);
  }

  /** All events came, each once, and the video is the one of a run that nobody disturbed. */
  private static Job untilEnd(JobEvents events, List<JobEvent> seen, Job undisturbed) {
    while (!seen.getLast().hasEnded()) {
      seen.add(events.next());
    }
    Job done = seen.getLast().getEnded();
    assertThat(done.getState()).as("%s", done).isEqualTo(JobState.JOB_STATE_DONE);
    assertThat(done.getVideo().getSha256()).isEqualTo(undisturbed.getVideo().getSha256());
    assertThat(seen)
        .extracting(JobEvent::getSequence)
        .containsExactlyElementsOf(LongStream.rangeClosed(1, seen.size()).boxed().toList());
    return done;
  }

  private static void assertStandby(FailoverCluster cluster, int standby, int leader) {
    assertThat(cluster.health(standby, "")).isEqualTo(ServingStatus.NOT_SERVING);
    assertThat(cluster.health(standby, GenerationGrpc.SERVICE_NAME))
        .isEqualTo(ServingStatus.NOT_SERVING);
    try (LongtakeClient client =
        LongtakeClient.builder().address(cluster.coordinator(standby).address()).build()) {
      assertThatThrownBy(() -> client.list(1))
          .isInstanceOfSatisfying(
              LongtakeClientException.class,
              e -> assertThat(e.reason()).isEqualTo(LongtakeClientException.NOT_LEADER))
          .hasMessageContaining(
              "a standby of " + cluster.coordinator(leader).address() + "; call that");
    }
  }

  @Test
  void shouldGoOnWithTheStandbyWhenTheLeaderIsKilled() throws Exception {
    try (FailoverCluster cluster = start()) {
      assertStandby(cluster, 1, 0);
      assertThat(cluster.health(0, "")).isEqualTo(ServingStatus.SERVING);
      Job undisturbed = cluster.generate(request(STEPS));
      String jobId = cluster.client().submit(request(STEPS)).getId();
      var seen = new ArrayList<JobEvent>();
      try (JobEvents events = cluster.client().events(jobId, 0);
          Program watch =
              Program.start(
                  folder, List.of("watch", jobId, "--coordinator", cluster.client().address()))) {
        untilStep(events, STEPS / 4, seen);
        watch.awaitErr("step ");

        cluster.signal(0, "KILL");

        Job done = untilEnd(events, seen, undisturbed);
        Program.Result watched = watch.await();
        assertThat(watched.status()).as("%s", watched).isZero();
        assertThat(watched.out()).contains(done.getVideo().getSha256());
        assertThat(watched.err()).contains("another one leads", "frame ");
        assertThat(done.getAttempt()).isEqualTo(2);
        assertThat(done.getHistoryList())
            .extracting(JobTransition::getReason)
            .anyMatch(reason -> reason.contains("another one leads"));
      }
      assertThat(seen)
          .filteredOn(JobEvent::hasRequeued)
          .singleElement()
          .satisfies(event ->
              assertThat(event.getRequeued().getStepsDone()).isGreaterThanOrEqualTo(STEPS / 4 - 1));
      assertThat(cluster.health(1, "")).isEqualTo(ServingStatus.SERVING);
      assertThat(cluster.health(1, GenerationGrpc.SERVICE_NAME)).isEqualTo(ServingStatus.SERVING);
      Path video = cluster.client().download(jobId, folder.resolve("a.mp4"));
      assertThat(Files.size(video)).isEqualTo(undisturbed.getVideo().getSizeBytes());
      assertThat(cluster.client().list(10)).hasSize(2);
    }
  }

  @Tag("long")
  @Test
  void shouldWriteNothingWhenTheLeaderWasFrozenUntilAnotherOneLed() throws Exception {
    try (FailoverCluster cluster = start()) {
      Job undisturbed = cluster.generate(request(STEPS));
      String jobId = cluster.client().submit(request(STEPS)).getId();
      var seen = new ArrayList<JobEvent>();
      try (JobEvents events = cluster.client().events(jobId, 0)) {
        untilStep(events, STEPS / 4, seen);

        cluster.signal(0, "STOP");
        cluster.awaitHealth(1, ServingStatus.SERVING);
        cluster.signal(0, "CONT");
        cluster.awaitHealth(0, ServingStatus.NOT_SERVING);

        Job done = untilEnd(events, seen, undisturbed);
        // The first attempt, whose workers went on for the frozen coordinator, has left no end.
        assertThat(done.getAttempt()).isEqualTo(2);
        assertThat(done.getHistoryList())
            .extracting(JobTransition::getState)
            .containsExactly(
                JobState.JOB_STATE_QUEUED,
                JobState.JOB_STATE_RUNNING,
                JobState.JOB_STATE_QUEUED,
                JobState.JOB_STATE_RUNNING,
                JobState.JOB_STATE_DONE);
      }
      assertThat(cluster.logged("c1")).contains("Does not lead any more");
      assertStandby(cluster, 0, 1);
      Path video = cluster.client().download(jobId, folder.resolve("a.mp4"));
      assertThat(Files.size(video)).isEqualTo(undisturbed.getVideo().getSizeBytes());
    }
  }

  @Tag("long")
  @Test
  void shouldLoseNoJobWhenTheDatabaseIsGoneForLongerThanTheLease() throws Exception {
    try (FailoverCluster cluster = start()) {
      Job undisturbed = cluster.generate(request(STEPS));
      String running = cluster.client().submit(request(STEPS)).getId();
      String waiting = cluster.client().submit(request(STEPS)).getId();
      var seen = new ArrayList<JobEvent>();
      try (JobEvents events = cluster.client().events(running, 0)) {
        untilStep(events, STEPS / 4, seen);

        database.close();
        cluster.awaitHealth(0, ServingStatus.NOT_SERVING);
        restartDatabase();

        untilEnd(events, seen, undisturbed);
      }
      Job second = cluster.client().watch(waiting, event -> {});
      assertThat(second.getState()).as("%s", second).isEqualTo(JobState.JOB_STATE_DONE);
      assertThat(second.getVideo().getSha256()).isEqualTo(undisturbed.getVideo().getSha256());
      assertThat(List.of(cluster.health(0, ""), cluster.health(1, "")))
          .as("one leads")
          .containsExactlyInAnyOrder(ServingStatus.SERVING, ServingStatus.NOT_SERVING);
    }
  }
}
