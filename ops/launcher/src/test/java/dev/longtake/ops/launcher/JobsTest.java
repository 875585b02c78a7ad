package dev.longtake.ops.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.client.JobEvents;
import dev.longtake.client.LongtakeClient;
import dev.longtake.v1.ClusterStatus;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.Job;
import dev.longtake.v1.JobEvent;
import dev.longtake.v1.JobState;
import dev.longtake.v1.Plan;
import dev.longtake.v1.Reuse;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Several jobs on one cluster of real workers. */
class JobsTest {
  private static final int ENDLESS_STEPS = 1000;

  @TempDir static Path folder;

  private static TestCluster cluster;

  @BeforeAll
  static void start() {
    cluster = TestCluster.start(folder, 2);
  }

  @AfterAll
  static void stop() {
    cluster.close();
  }

  private static GenerationRequest.Builder request(int steps) {
    return GenerationRequest.newBuilder()
        .setPrompt("a blue square moving left on a white background")
        .setSteps(steps)
        .setSeed(5);
  }

  private static JobEvent nextStep(JobEvents events) {
    JobEvent event = events.next();
    while (!event.hasStepDone()) {
      event = events.next();
    }
    return event;
  }

  @Test
  void shouldPrintTheClustersPlansWhenAskedForThem() {
    var out = new StringWriter();
    var err = new StringWriter();
    int status =
        Longtake.commandLine(/* isDebug= */ false)
            .setOut(new PrintWriter(out))
            .setErr(new PrintWriter(err))
            .execute("plan", "--coordinator", cluster.client().address(), "--seconds", "1");

    assertThat(status).as("%s", err).isZero();
    assertThat(out.toString())
        .contains("plans considered for 2 rows", "PLAN ", "2 branches", "chosen: ");
  }

  @Test
  void shouldFreeTheWorkersWhenARunningJobIsCanceled() {
    LongtakeClient client = cluster.client();
    String running = client.submit(request(ENDLESS_STEPS).build()).getId();
    try (JobEvents events = client.events(running, 0)) {
      assertThat(nextStep(events).getStepDone().getStep()).isEqualTo(1);
      String waiting = client.submit(request(2).build()).getId();
      ClusterStatus status = client.clusterStatus();
      assertThat(status.getRunningJobs()).isEqualTo(1);
      assertThat(status.getQueuedJobs()).isEqualTo(1);
      assertThat(status.getWorkersList()).allMatch(worker -> worker.getJobId().equals(running));

      Job canceled = client.cancel(running);

      assertThat(canceled.getState()).isEqualTo(JobState.JOB_STATE_CANCELED);
      JobEvent last = untilEnd(events);
      assertThat(last.getEnded().getState()).isEqualTo(JobState.JOB_STATE_CANCELED);
      Job next = client.watch(waiting, event -> {});
      assertThat(next.getState()).as("%s", next).isEqualTo(JobState.JOB_STATE_DONE);
      assertThat(next.getWorkerIdsList()).containsExactly("w1", "w2");
      // As often as asked: a job that has ended stays as it is.
      assertThat(client.cancel(running)).isEqualTo(canceled);
      assertThat(client.cancel(waiting)).isEqualTo(next);
    }
  }

  private static JobEvent untilEnd(JobEvents events) {
    JobEvent event = events.next();
    while (!event.hasEnded()) {
      event = events.next();
    }
    return event;
  }

  @Test
  void shouldFinishBothWhenTwoJobsAreSubmittedAtOnce() {
    LongtakeClient client = cluster.client();
    List<String> ids = new ArrayList<>();
    for (int seed : List.of(1, 2)) {
      ids.add(client.submit(request(2).setSeed(seed).build()).getId());
    }
    List<Job> jobs = ids.stream().map(id -> client.watch(id, event -> {})).toList();

    assertThat(jobs).extracting(Job::getState).containsOnly(JobState.JOB_STATE_DONE);
    assertThat(jobs.get(0).getVideo().getSha256()).isNotEqualTo(jobs.get(1).getVideo().getSha256());
    assertThat(client.list(2)).extracting(Job::getId).containsExactly(ids.get(1), ids.get(0));
    assertThat(client.clusterStatus().getRunningJobs()).isZero();
  }

  @Test
  void shouldNeitherEncodeNorProjectAPromptThatComesAgain() {
    LongtakeClient client = cluster.client();
    GenerationRequest.Builder request =
        request(2).setPrompt("a yellow star growing on a gray background");
    Plan ranks = Plan.newBuilder().setSequenceRanks(2).build();
    Plan branches = Plan.newBuilder().setSequenceRanks(1).setBranchGroups(2).build();

    Job first = end(client, request.setPlan(ranks));
    Job again = end(client, request.setPlan(ranks));
    Job divided = end(client, request.setPlan(branches));

    assertThat(first.getReuse().getEncoderRuns()).isEqualTo(1);
    // On each of two workers; the null caption may be there already.
    assertThat(first.getReuse().getConditionsPrepared()).isBetween(2, 4);
    for (Job later : List.of(again, divided)) {
      assertThat(later.getReuse())
          .returns(0, Reuse::getEncoderRuns)
          .returns(0, Reuse::getConditionsPrepared)
          .returns(0L, Reuse::getConditionProjections);
      assertThat(later.getVideo().getSha256()).isEqualTo(first.getVideo().getSha256());
    }
  }

  private static Job end(LongtakeClient client, GenerationRequest.Builder request) {
    Job job = client.watch(client.submit(request.build()).getId(), event -> {});
    assertThat(job.getState()).as("%s", job).isEqualTo(JobState.JOB_STATE_DONE);
    return job;
  }
}
