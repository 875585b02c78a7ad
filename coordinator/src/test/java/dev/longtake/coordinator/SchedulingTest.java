package dev.longtake.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.partition.Grain;
import dev.longtake.coordinator.TestCluster.Failure;
import dev.longtake.coordinator.planner.WorkerView;
import dev.longtake.coordinator.planner.Workload;
import dev.longtake.v1.BlockRange;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.GetJobRequest;
import dev.longtake.v1.Job;
import dev.longtake.v1.JobEvent;
import dev.longtake.v1.JobState;
import dev.longtake.v1.PieceGrain;
import dev.longtake.v1.Plan;
import dev.longtake.v1.PlanPrediction;
import dev.longtake.v1.Precision;
import dev.longtake.v1.WireFormat;
import dev.longtake.v1.WorkOrder;
import dev.longtake.v1.WorkerStatus;
import io.grpc.Status;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Which job runs where and when. */
final class SchedulingTest {
  private static final long WAIT_SECONDS = 30;

  @TempDir Path folder;
  private TestCluster cluster;

  @BeforeEach
  void start() {
    cluster = new TestCluster(folder);
  }

  @AfterEach
  void stop() {
    cluster.close();
  }

  private static GenerationRequest.Builder request() {
    return GenerationRequest.newBuilder().setPrompt("a red circle");
  }

  private static Plan twoStages() {
    return Plan.newBuilder()
        .setSequenceRanks(1)
        .addStages(BlockRange.newBuilder().setStart(0).setEnd(2))
        .addStages(BlockRange.newBuilder().setStart(2).setEnd(4))
        .build();
  }

  private FakeWorker holding(String id, int maxOrders) throws Exception {
    FakeWorker worker = cluster.joined(id, description -> description.setMaxOrders(maxOrders));
    worker.behaviour = FakeWorker.Behaviour.HOLD;
    return worker;
  }

  /** A job of which every worker has its order. */
  private String running(GenerationRequest.Builder request, FakeWorker... workers)
      throws Exception {
    String id = cluster.submit(request).getId();
    cluster.awaitEvent(id, JobEvent::hasStepDone);
    for (FakeWorker worker : workers) {
      awaitOrder(worker, id);
    }
    return id;
  }

  private static WorkOrder awaitOrder(FakeWorker worker, String jobId) throws Exception {
    WorkOrder order = worker.orders.poll(WAIT_SECONDS, TimeUnit.SECONDS);
    assertThat(order).isNotNull();
    assertThat(order.getJobId()).isEqualTo(jobId);
    return order;
  }

  private static void finish(String jobId, FakeWorker... workers) {
    for (FakeWorker worker : workers) {
      worker.finish(jobId);
    }
  }

  private Job done(String jobId) {
    Job job = cluster.end(jobId);
    assertThat(job.getState()).as(job.getError().getMessage()).isEqualTo(JobState.JOB_STATE_DONE);
    return job;
  }

  @Test
  void shouldRunJobsSideBySideWhenPlansLeaveWorkersIdle() throws Exception {
    FakeWorker w0 = holding("w0", 1);
    FakeWorker w1 = holding("w1", 1);
    cluster.planning.mostWorkers = 1;

    String first = running(request(), w0);
    String second = running(request(), w1);

    finish(first, w0);
    finish(second, w1);
    assertThat(done(first).getWorkerIdsList()).containsExactly("w0");
    assertThat(done(second).getWorkerIdsList()).containsExactly("w1");
  }

  @Test
  void shouldTellThePlannerHowManyJobsWaitWhenItPlans() throws Exception {
    FakeWorker w0 = holding("w0", 1);
    String first = running(request(), w0);
    String second = cluster.submit(request()).getId();
    String third = cluster.submit(request()).getId();
    // Plans made while nobody is idle decide nothing.
    cluster.planning.waiting.clear();
    w0.behaviour = FakeWorker.Behaviour.FINISH;

    finish(first, w0);
    done(second);
    done(third);

    assertThat(cluster.planning.waiting).contains(1).endsWith(0);
    Workload workload = cluster.planning.workloads.getLast();
    assertThat(workload.rows()).isEqualTo(2);
    assertThat(workload.textTokens()).as("a red circle").isEqualTo(3);
    assertThat(workload.clip().getLatentWidth()).isEqualTo(8);
    assertThat(workload.learnedVariance()).isFalse();
  }

  @Test
  void shouldPutJobsOnOneGangWhenItsPlanHasRoom() throws Exception {
    FakeWorker w0 = holding("w0", 3);
    FakeWorker w1 = holding("w1", 3);
    cluster.planning.jobsInFlight = 2;

    String first = running(request(), w0, w1);
    String second = running(request(), w0, w1);
    String third = cluster.submit(request()).getId();
    assertThat(cluster.status().getWorkersList())
        .allMatch(worker -> worker.getJobIdsList().equals(List.of(first, second)));

    finish(first, w0, w1);
    assertThat(done(first).getPlan().getStagesCount()).isEqualTo(2);
    cluster.awaitEvent(third, JobEvent::hasStepDone);
    assertThat(w0.mostJobsAtOnce.get()).as("jobs in flight").isEqualTo(2);
    awaitOrder(w0, third);
    awaitOrder(w1, third);
    finish(second, w0, w1);
    finish(third, w0, w1);

    Job job = done(second);
    assertThat(job.getWorkerIdsList()).containsExactly("w0", "w1");
    assertThat(job.getPlan().getStagesList()).isEqualTo(twoStages().getStagesList());
    assertThat(job.getPlan().getReason()).contains("joins another job");
    assertThat(done(third).getWorkerIdsList()).containsExactly("w0", "w1");
    cluster.awaitStatus(status ->
        status.getWorkersList().stream().allMatch(worker -> worker.getJobIdsCount() == 0));
  }

  @Test
  void shouldShareTheGangWhenAskedForTheSamePlan() throws Exception {
    FakeWorker w0 = holding("w0", 2);
    FakeWorker w1 = holding("w1", 2);
    cluster.planning.jobsInFlight = 2;

    String first = running(request().setPlan(twoStages()), w0, w1);
    String second = running(request().setPlan(twoStages().toBuilder().setMicroBatches(1)), w0, w1);

    finish(first, w0, w1);
    finish(second, w0, w1);
    done(first);
    done(second);
  }

  @Test
  void shouldKeepJobsApartWhenTheyCannotShare() throws Exception {
    FakeWorker w0 = holding("w0", 1);
    FakeWorker w1 = holding("w1", 5);
    cluster.planning.jobsInFlight = 5;
    String first = running(request(), w0, w1);
    // The first worker takes one order at a time.
    String second = cluster.submit(request()).getId();
    finish(first, w0, w1);
    cluster.awaitEvent(second, JobEvent::hasStepDone);
    awaitOrder(w0, second);
    awaitOrder(w1, second);
    assertThat(w1.mostJobsAtOnce.get()).isEqualTo(1);

    FakeWorker w2 = holding("w2", 5);
    FakeWorker w3 = holding("w3", 5);
    String third = running(request(), w2, w3);
    String other = cluster.submit(request().setPrecision(Precision.PRECISION_BF16)).getId();
    finish(third, w2, w3);
    cluster.awaitEvent(other, JobEvent::hasStepDone);

    assertThat(w2.mostJobsAtOnce.get()).as("another precision").isEqualTo(1);
    assertThat(
            cluster
                .generation()
                .get(dev.longtake.v1.GetJobRequest.newBuilder().setJobId(other).build())
                .getWorkerIdsList())
        .containsExactly("w2", "w3");
  }

  @Test
  void shouldPreferIdleWorkersWhenAGangHasRoomToo() throws Exception {
    FakeWorker w0 = holding("w0", 2);
    FakeWorker w1 = holding("w1", 2);
    cluster.planning.jobsInFlight = 2;
    String first = running(request(), w0, w1);
    FakeWorker w2 = holding("w2", 2);

    String second = running(request(), w2);

    finish(first, w0, w1);
    finish(second, w2);
    assertThat(done(second).getWorkerIdsList()).containsExactly("w2");
  }

  @Test
  void shouldWaitWhenTooFewWorkersAreIdle() throws Exception {
    FakeWorker w0 = holding("w0", 1);
    FakeWorker w1 = holding("w1", 1);
    cluster.planning.mostWorkers = 1;
    String first = running(request(), w0);
    cluster.planning.mostWorkers = 2;
    cluster.planning.fewestWorkers = 2;
    String big = cluster.submit(request()).getId();
    String asked = cluster.submit(request().setPlan(Plan.newBuilder().setSequenceRanks(2))).getId();
    assertThat(cluster.status().getQueuedJobs()).isEqualTo(2);
    assertThat(w1.orders).isEmpty();

    w0.behaviour = FakeWorker.Behaviour.FINISH;
    w1.behaviour = FakeWorker.Behaviour.FINISH;
    finish(first, w0);

    assertThat(done(big).getWorkerIdsList()).containsExactly("w0", "w1");
    Job job = done(asked);
    assertThat(job.getWorkerIdsList()).containsExactly("w0", "w1");
    assertThat(job.getPlan().getSequenceRanks()).isEqualTo(2);
    assertThat(
            cluster.watch(asked).stream()
                .filter(JobEvent::hasQueued)
                .map(event -> event.getQueued().getPosition()))
        .containsExactly(1, 0);
  }

  @Test
  void shouldFailWithThePlannersWordsWhenAllWorkersCannot() throws Exception {
    FakeWorker w0 = holding("w0", 1);
    String first = running(request(), w0);
    cluster.planning.fewestWorkers = 2;

    Job job = cluster.end(cluster.submit(request()).getId());

    assertThat(job.getError().getReason()).isEqualTo("OUT_OF_MEMORY");
    assertThat(job.getError().getMessage()).contains("a smaller clip would fit");
    cluster.planning.fewestWorkers = 1;
    finish(first, w0);
    done(first);
  }

  @Test
  void shouldUseThePlanWhenOneIsAskedFor() throws Exception {
    for (String id : List.of("w0", "w1", "w2")) {
      cluster.joined(id);
    }
    Plan plan =
        Plan.newBuilder()
            .setSequenceRanks(2)
            .setReason("mine")
            .setPrediction(PlanPrediction.newBuilder().setJobsInFlight(9))
            .build();

    Job job = done(cluster.submit(request().setPlan(plan)).getId());

    assertThat(job.getRequest().getPlan())
        .isEqualTo(
            Plan.newBuilder()
                .setSequenceRanks(2)
                .setWireFormat(WireFormat.WIRE_FORMAT_STORED)
                .build());
    assertThat(job.getPlan().getReason()).isEqualTo("scripted for 2 workers");
    assertThat(job.getWorkerIdsList()).containsExactly("w0", "w1");
  }

  @Test
  void shouldRefuseAPlanWhenItIsImpossible() throws Exception {
    cluster.joined("w0");
    cluster.joined("w1");
    record Bad(String field, String message, Plan plan) {}
    for (Bad bad :
        List.of(
            new Bad(
                "plan",
                "at most 2 workers, as many as have joined, but it takes 6 (1 branch groups x 2"
                    + " stages x 3 sequence ranks)",
                twoStages().toBuilder().setSequenceRanks(3).build()),
            new Bad(
                "plan.branch_groups",
                "at most 2 branch groups",
                Plan.newBuilder().setSequenceRanks(1).setBranchGroups(3).build()),
            new Bad(
                "plan.stages",
                "leave a gap",
                Plan.newBuilder()
                    .setSequenceRanks(1)
                    .addStages(BlockRange.newBuilder().setStart(0).setEnd(1))
                    .addStages(BlockRange.newBuilder().setStart(2).setEnd(4))
                    .build()),
            new Bad("plan.sequence_ranks", "of 1 to 4096, but got 0", Plan.getDefaultInstance()))) {
      Failure failure = TestCluster.failure(() -> cluster.submit(request().setPlan(bad.plan)));
      assertThat(failure.status()).as(bad.message).isEqualTo(Status.Code.INVALID_ARGUMENT);
      assertThat(failure.field()).hasValue(bad.field);
      assertThat(failure.message()).contains(bad.message);
    }
    cluster.planning.fewestWorkers = 2;
    Failure tooLarge =
        TestCluster.failure(
            () -> cluster.submit(request().setPlan(Plan.newBuilder().setSequenceRanks(1))));
    assertThat(tooLarge.reason()).isEqualTo(ErrorCode.OUT_OF_MEMORY);
    assertThat(cluster.status().getQueuedJobs()).isZero();
  }

  @Test
  void shouldDescribeWorkersToThePlannerAsTheySayTheyAre() throws Exception {
    cluster.joined(
        "w0",
        description ->
            description
                .setHost("nodeA")
                .setProcessors(8)
                .setThreads(3)
                .setPieces(PieceGrain.newBuilder().setStrands(3).setRows(256))
                .setMemoryTotalBytes(1L << 33));
    cluster.joined("w1");
    cluster.awaitStatus(
        status -> status.getWorkersList().stream().allMatch(WorkerStatus::hasBlockTimes));

    done(cluster.submit(request()).getId());

    List<WorkerView> views = cluster.planning.clusters.getLast().workers();
    assertThat(views.getFirst())
        .usingRecursiveComparison()
        .ignoringFields("times")
        .isEqualTo(
            new WorkerView(
                "w0",
                "nodeA",
                8,
                3,
                new Grain(3, 256),
                "fake",
                1L << 33,
                views.getFirst().times()));
    assertThat(views.getFirst().times()).isPresent();
    assertThat(views.getLast())
        .as("says little")
        .usingRecursiveComparison()
        .ignoringFields("times")
        .isEqualTo(
            new WorkerView(
                "w1", "127.0.0.1", 0, 1, Grain.WHOLE, "fake", 0, views.getLast().times()));
  }

  @Test
  void shouldGoOnWithTheKindOfDeviceThatItBeganWith() throws Exception {
    FakeWorker gpu = cluster.joined("w0", description -> description.setDevice("cuda"));
    gpu.behaviour = FakeWorker.Behaviour.HOLD;
    String id = running(request(), gpu);

    gpu.kill();
    cluster.awaitEvent(id, event -> event.hasRequeued() && event.getRequeued().getStepsDone() > 0);
    cluster.joined("w1", description -> description.setDevice("cpu"));
    assertThat(done(cluster.submit(request()).getId()).getWorkerIdsList()).containsExactly("w1");

    Job waits = cluster.generation().get(GetJobRequest.newBuilder().setJobId(id).build());
    assertThat(waits.getState()).isEqualTo(JobState.JOB_STATE_QUEUED);
    assertThat(waits.getWaitingFor()).contains("Expected a worker with 'cuda'");
    cluster.joined("w2", description -> description.setDevice("cuda"));
    assertThat(done(id).getWorkerIdsList()).containsExactly("w2");
  }

  @Test
  void shouldHoldUpNobodyWhenAJobWaitsForWorkersThatAreGone() throws Exception {
    FakeWorker w0 = holding("w0", 1);
    FakeWorker w1 = holding("w1", 1);
    Plan two = Plan.newBuilder().setSequenceRanks(2).build();
    String needsTwo = running(request().setPlan(two), w0, w1);
    w0.behaviour = FakeWorker.Behaviour.FINISH;

    w1.kill();
    cluster.awaitEvent(needsTwo, JobEvent::hasRequeued);

    assertThat(done(cluster.submit(request()).getId()).getWorkerIdsList()).containsExactly("w0");
    Job waits = cluster.generation().get(GetJobRequest.newBuilder().setJobId(needsTwo).build());
    assertThat(waits.getState()).isEqualTo(JobState.JOB_STATE_QUEUED);
    assertThat(waits.getWaitingFor()).contains("more workers", "a plan for 1 workers");
    cluster.joined("w2");
    assertThat(done(needsTwo).getWorkerIdsList()).containsExactly("w0", "w2");
  }
}
