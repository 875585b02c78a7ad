package dev.longtake.ops.launcher;

import static java.util.concurrent.TimeUnit.SECONDS;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.longtake.client.JobEvents;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.Job;
import dev.longtake.v1.JobEvent;
import dev.longtake.v1.JobState;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Processes that are killed in the middle of a job: what is said, what goes on, and that nothing stays behind. */
class DeathTest {
  /** More steps than the test has time for, so that the job is in its middle whenever something dies. */
  private static final int ENDLESS_STEPS = 1000;

  private static final long END_SECONDS = 60;

  @TempDir Path folder;

  private static GenerationRequest.Builder request() {
    return GenerationRequest.newBuilder()
        .setPrompt("a red circle moving right on a black background")
        .setSeed(3);
  }

  @Test
  void shouldFailTheJobAndServeTheNextWhenAWorkerIsKilled() throws Exception {
    try (TestCluster cluster = TestCluster.start(folder, 3)) {
      // A rank in the middle, then the one that reports the steps.
      assertFailsWhenKilled(cluster, 1);
      Job two = cluster.generate(request().setSteps(2).build());
      assertThat(two.getState()).as("%s", two).isEqualTo(JobState.JOB_STATE_DONE);
      // Which of them is rank 0 is for the planner to say, by what it measured.
      assertThat(two.getWorkerIdsList()).containsExactlyInAnyOrder("w1", "w3");
      assertThat(cluster.memberIds()).containsExactly("w1", "w3");

      assertFailsWhenKilled(cluster, 0);
      Job one = cluster.generate(request().setSteps(2).build());
      assertThat(one.getState()).as("%s", one).isEqualTo(JobState.JOB_STATE_DONE);
      assertThat(one.getWorkerIdsList()).containsExactly("w3");
      assertThat(cluster.memberIds()).containsExactly("w3");
      assertThat(one.getVideo().getSha256()).isEqualTo(two.getVideo().getSha256());
    }
  }

  private static void assertFailsWhenKilled(TestCluster cluster, int worker) throws Exception {
    String jobId = cluster.client().submit(request().setSteps(ENDLESS_STEPS).build()).getId();
    try (JobEvents events = cluster.client().events(jobId, 0)) {
      JobEvent event = events.next();
      while (!event.hasStepDone()) {
        event = events.next();
      }
      cluster.worker(worker).handle().destroyForcibly();
      while (!event.hasEnded()) {
        event = events.next();
      }
      Job job = event.getEnded();
      assertThat(job.getState()).isEqualTo(JobState.JOB_STATE_FAILED);
      assertThat(job.getError().getReason()).isEqualTo("WORKER_LOST");
      assertThat(job.getError().getMessage())
          .startsWith(
              "Expected worker w%d at %s (rank "
                  .formatted(worker + 1, cluster.worker(worker).address()))
          .contains("to finish its part, but it was lost", "submit the job again")
          .hasLineCount(1);
      // Nobody waited for a time-out: hundreds of steps were left.
      assertThat(job.getStepsDone()).isLessThan(ENDLESS_STEPS / 2);
    }
    assertThat(cluster.worker(worker).onExit().get(END_SECONDS, SECONDS)).isEqualTo(128 + 9);
  }

  @Test
  void shouldEndTheDemoWithAReasonWhenAWorkerIsKilled() throws Exception {
    try (Program demo = endlessDemo(2)) {
      List<ProcessHandle> children = demo.handle().descendants().toList();
      assertThat(children).hasSize(3);
      children.stream()
          .filter(child -> List.of(child.info().arguments().orElseThrow()).contains("w2"))
          .findFirst()
          .orElseThrow()
          .destroyForcibly();

      Program.Result result = demo.await();

      assertThat(result.status()).isEqualTo(1);
      assertThat(result.out()).isEmpty();
      List<String> lines = result.err().lines().toList();
      assertThat(lines.getLast())
          .startsWith("longtake: worker w2 was killed (exit status 137")
          .contains("it logged no error", "w2.log");
      assertThat(lines).filteredOn(line -> line.startsWith("longtake: ")).hasSize(1);
      assertThat(result.err()).doesNotContain("Exception", "\tat ", "WARNING", "INFO");
      assertGone(children);
      assertThat(folder.resolve("clip.mp4")).doesNotExist();
    }
  }

  @Test
  void shouldLeaveNothingWhenTheDemoIsKilled() throws Exception {
    try (Program demo = endlessDemo(1)) {
      List<ProcessHandle> children = demo.handle().descendants().toList();
      assertThat(children).hasSize(2);

      demo.signal("KILL");

      assertThat(demo.await().status()).isEqualTo(128 + 9);
      assertGone(children);
    }
  }

  @Test
  void shouldLeaveNothingWhenTheDemoIsInterrupted() throws Exception {
    assumeTrue(Program.isEnvNewEnough(), "without GNU env, Ctrl-C may be ignored from the start");
    try (Program demo = endlessDemo(1)) {
      List<ProcessHandle> children = demo.handle().descendants().toList();
      assertThat(children).hasSize(2);

      demo.signal("INT");

      Program.Result result = demo.await();
      assertThat(result.status()).as("%s", result).isEqualTo(130);
      assertThat(result.out()).isEmpty();
      assertThat(result.err()).doesNotContain("longtake: ", "Exception");
      assertGone(children);
      try (var files = Files.list(folder)) {
        assertThat(files).noneMatch(file -> file.getFileName().toString().startsWith("longtake-"));
      }
    }
  }

  /** A demo that has done its first step. */
  private Program endlessDemo(int workers) throws IOException {
    Program demo =
        Program.start(
            folder,
            List.of(
                "demo",
                "a red circle moving right on a black background",
                "--workers",
                Integer.toString(workers),
                "--steps",
                Integer.toString(ENDLESS_STEPS),
                "--out",
                folder.resolve("clip.mp4").toString()));
    demo.awaitErr("step 1/" + ENDLESS_STEPS);
    return demo;
  }

  private static void assertGone(List<ProcessHandle> processes) throws Exception {
    for (ProcessHandle process : processes) {
      process.onExit().get(END_SECONDS, SECONDS);
      assertThat(process.isAlive()).isFalse();
    }
  }
}
