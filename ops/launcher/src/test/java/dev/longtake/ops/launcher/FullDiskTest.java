package dev.longtake.ops.launcher;

import static java.util.concurrent.TimeUnit.SECONDS;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.longtake.client.JobEvents;
import dev.longtake.client.LongtakeClientException;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.Job;
import dev.longtake.v1.JobEvent;
import dev.longtake.v1.JobState;
import dev.longtake.v1.LongVideo;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A coordinator whose files can't grow any more: the system refuses its writes, as it does on a full disk, until they may again. */
class FullDiskTest {
  private static final long SECONDS_FOR_PRLIMIT = 30;

  @TempDir Path folder;

  private static GenerationRequest request() {
    return GenerationRequest.newBuilder()
        .setPrompt("a red circle moving right on a black background")
        .setSeed(3)
        .setSteps(20)
        .setLongVideo(LongVideo.newBuilder().setSegments(2))
        .build();
  }

  @Test
  void shouldGoOnWithEveryJobWhenThereIsRoomAgain() throws Exception {
    assumeTrue(isPrlimitThere(), "needs prlimit, of util-linux");
    try (TestCluster cluster = TestCluster.start(folder, 1)) {
      Job undisturbed = cluster.generate(request());
      String running = cluster.client().submit(request()).getId();
      String waiting = cluster.client().submit(request()).getId();
      long seen;
      try (JobEvents events = cluster.client().events(running, 0)) {
        JobEvent event = events.next();
        while (event.getStepDone().getStep() < 5) {
          event = events.next();
        }
        seen = event.getSequence();
      }

      limitFiles(cluster, "1");
      awaitRefusal(cluster);
      assertThat(cluster.client().get(running).getState()).isNotEqualTo(JobState.JOB_STATE_FAILED);
      limitFiles(cluster, "unlimited");

      for (String id : new String[] {running, waiting}) {
        Job done = cluster.client().watch(id, _ -> {});
        assertThat(done.getState()).as("%s", done).isEqualTo(JobState.JOB_STATE_DONE);
        assertThat(done.getVideo()).isEqualTo(undisturbed.getVideo());
      }
      try (JobEvents events = cluster.client().events(running, seen)) {
        assertThat(events.next().getSequence()).isGreaterThan(seen);
      }
      assertThat(cluster.generate(request()).getVideo()).isEqualTo(undisturbed.getVideo());
    }
  }

  /** A submission can't be stored, and the client is told so. */
  private static void awaitRefusal(TestCluster cluster) {
    assertThatThrownBy(() -> cluster.client().submit(request()))
        .isInstanceOfSatisfying(
            LongtakeClientException.class,
            e -> assertThat(e.reason()).isEqualTo("STORAGE_UNAVAILABLE"));
  }

  private static boolean isPrlimitThere() throws InterruptedException {
    try {
      return new ProcessBuilder("prlimit", "--version")
          .start()
          .waitFor(SECONDS_FOR_PRLIMIT, SECONDS);
    } catch (IOException e) {
      return false;
    }
  }

  /** The soft limit alone, which may be raised again. */
  private static void limitFiles(TestCluster cluster, String bytes) throws Exception {
    Process prlimit =
        new ProcessBuilder(
                "prlimit",
                "--pid",
                Long.toString(cluster.coordinator().handle().pid()),
                "--fsize=" + bytes + ":")
            .inheritIO()
            .start();
    assertThat(prlimit.waitFor(SECONDS_FOR_PRLIMIT, SECONDS)).isTrue();
    assertThat(prlimit.exitValue()).isZero();
  }
}
