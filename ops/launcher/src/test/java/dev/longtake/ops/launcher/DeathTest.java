package dev.longtake.ops.launcher;

import static java.util.concurrent.TimeUnit.SECONDS;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.longtake.client.JobEvents;
import dev.longtake.common.process.JavaProcess;
import dev.longtake.ops.testing.SpanCollector;
import dev.longtake.v1.Broadcast;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.Job;
import dev.longtake.v1.JobEvent;
import dev.longtake.v1.JobState;
import dev.longtake.v1.StepCache;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Processes that are killed in the middle of a job: what is said, what goes on, and that nothing stays behind. */
class DeathTest {
  /** More steps than the test has time for, so that the job is in its middle whenever something dies. */
  private static final int ENDLESS_STEPS = 1000;

  private static final int STEPS = 40;

  private static final long END_SECONDS = 60;

  @TempDir Path folder;

  private static GenerationRequest.Builder request() {
    return GenerationRequest.newBuilder()
        .setPrompt("a red circle moving right on a black background")
        .setSeed(3);
  }

  @Test
  void shouldMakeTheSameVideoWithWhoIsLeftWhenWorkersAreKilled() throws Exception {
    Job done;
    SpanCollector collector = new SpanCollector();
    List<String> records = List.of("--otlp-endpoint", collector.endpoint(), "--log-format", "json");
    try (collector) {
      try (TestCluster cluster = TestCluster.start(folder, TestModels.DEMO, 3, records)) {
        done = assertSameVideoWhenWorkersAreKilled(cluster);
      }
      JobRecords.assertOneTrace(collector.spans(), done);
    }
    JobRecords.assertLogged(folder, done);
  }

  private static Job assertSameVideoWhenWorkersAreKilled(TestCluster cluster) throws Exception {
    Job undisturbed = cluster.generate(request().setSteps(STEPS).build());
    String jobId = cluster.client().submit(request().setSteps(STEPS).build()).getId();
    try (JobEvents events = cluster.client().events(jobId, 0)) {
      // The last rank, then the one that reports the steps.
      killAfter(events, STEPS / 4, STEPS / 4 - 1, cluster, List::getLast);
      killAfter(events, STEPS / 2, STEPS / 2 - 1, cluster, List::getFirst);
      JobEvent event = events.next();
      while (!event.hasEnded()) {
        event = events.next();
      }
      Job done = event.getEnded();
      assertThat(done.getState()).as("%s", done).isEqualTo(JobState.JOB_STATE_DONE);
      assertThat(done.getAttempt()).isEqualTo(3);
      assertThat(done.getVideo().getSha256()).isEqualTo(undisturbed.getVideo().getSha256());
      assertThat(cluster.memberIds()).containsExactlyElementsOf(done.getWorkerIdsList());
      assertThat(cluster.memberIds()).hasSize(1);
      return done;
    }
  }

  @Test
  void shouldMakeTheSameVideoWhenAWorkerIsKilledWhileStepsAreTakenOver() throws Exception {
    GenerationRequest request =
        request()
            .setSteps(STEPS)
            .setStepCache(
                StepCache.newBuilder()
                    .setBroadcast(
                        Broadcast.newBuilder()
                            .setSpatial(2)
                            .setTemporal(2)
                            .setWindowFrom(0)
                            .setWindowTo(1000)))
            .build();
    try (TestCluster cluster = TestCluster.start(folder, TestModels.DEMO, 2)) {
      Job undisturbed = cluster.generate(request);
      String jobId = cluster.client().submit(request).getId();
      Job done;
      try (JobEvents events = cluster.client().events(jobId, 0)) {
        // States are kept before every second step.
        killAfter(events, STEPS / 4, STEPS / 4 - 2, cluster, List::getLast);
        JobEvent event = events.next();
        while (!event.hasEnded()) {
          event = events.next();
        }
        done = event.getEnded();
      }
      assertThat(done.getState()).as("%s", done).isEqualTo(JobState.JOB_STATE_DONE);
      assertThat(done.getVideo()).isEqualTo(undisturbed.getVideo());
      assertThat(done.getVideo().getStepCache().getBroadcast().getTemporal()).isEqualTo(2);
      assertThat(done.getVideo().getStepCacheUse().getStepsWithReuse()).isEqualTo(STEPS / 2);
      assertThat(done.getVideo().getStepCacheUse().getCrossReused()).isZero();
      Job exact = cluster.generate(request.toBuilder().clearStepCache().build());
      assertThat(exact.getVideo().getSha256()).isNotEqualTo(done.getVideo().getSha256());
      assertThat(exact.getVideo().hasStepCache()).isFalse();
    }
  }

  /**
   * Kills one of the workers that have the job, after a step; returns when the job waits again.
   *
   * @param kept steps at least
   */
  private static void killAfter(
      JobEvents events,
      int step,
      int kept,
      TestCluster cluster,
      Function<List<String>, String> victim)
      throws Exception {
    List<String> gang = List.of();
    JobEvent event = events.next();
    while (event.getStepDone().getStep() < step) {
      gang = event.hasPlanned() ? event.getPlanned().getWorkerIdsList() : gang;
      event = events.next();
    }
    String id = victim.apply(gang);
    JavaProcess worker = cluster.worker(id);
    worker.handle().destroyForcibly();
    while (!event.hasRequeued()) {
      assertThat(event.hasEnded()).as("%s", event).isFalse();
      event = events.next();
    }
    assertThat(event.getRequeued().getReason())
        .startsWith("Expected worker %s at %s (rank ".formatted(id, worker.address()))
        .contains("to finish its part, but it was lost")
        .hasLineCount(1);
    assertThat(event.getRequeued().getStepsDone()).isGreaterThanOrEqualTo(kept);
    assertThat(worker.onExit().get(END_SECONDS, SECONDS)).isEqualTo(128 + 9);
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
