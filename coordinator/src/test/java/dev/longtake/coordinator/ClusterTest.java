package dev.longtake.coordinator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.coordinator.TestCluster.Failure;
import dev.longtake.v1.ClusterStatus;
import dev.longtake.v1.DrainRequest;
import dev.longtake.v1.GenerationGrpc;
import dev.longtake.v1.GetJobRequest;
import dev.longtake.v1.Job;
import dev.longtake.v1.JobEvent;
import dev.longtake.v1.JobState;
import dev.longtake.v1.MemoryUse;
import dev.longtake.v1.ModelCard;
import dev.longtake.v1.StatusRequest;
import dev.longtake.v1.WorkerDescription;
import dev.longtake.v1.WorkerReport;
import dev.longtake.v1.WorkerStatus;
import io.grpc.Status;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.health.v1.HealthGrpc;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Iterator;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class ClusterTest {
  private static final long WAIT_SECONDS = 30;

  @TempDir Path folder;

  private static ClusterStatus status(TestCluster cluster) {
    return cluster.cluster().status(StatusRequest.getDefaultInstance());
  }

  private static Failure refusal(FakeWorker worker) throws Exception {
    return Failure.of(worker.joinEnded.get(WAIT_SECONDS, TimeUnit.SECONDS));
  }

  private static Iterator<HealthCheckResponse> watchGeneration(TestCluster cluster) {
    return HealthGrpc.newBlockingStub(cluster.channel())
        .withDeadlineAfter(WAIT_SECONDS, TimeUnit.SECONDS)
        .watch(HealthCheckRequest.newBuilder().setService("longtake.v1.Generation").build());
  }

  private static void await(Iterator<HealthCheckResponse> health, ServingStatus wanted) {
    while (health.next().getStatus() != wanted) {
      // The next response comes when the status changes, or the call's deadline ends the wait.
    }
  }

  @Test
  void shouldShowWorkersAndTheirModelWhenTheyHaveJoined() throws Exception {
    try (TestCluster cluster = new TestCluster(folder)) {
      assertThat(status(cluster).hasModel()).isFalse();

      FakeWorker w1 = cluster.joined("w1");
      FakeWorker w0 = cluster.joined("w0");

      ClusterStatus status = status(cluster);
      assertThat(status.getModel()).isEqualTo(FakeWorker.card());
      assertThat(status.getVersion()).isNotEmpty();
      assertThat(status.getWorkersList())
          .extracting(WorkerStatus::getDescription)
          .containsExactly(w0.description(), w1.description());
    }
  }

  @Test
  void shouldForgetTheModelWhenTheLastWorkerHasLeft() throws Exception {
    try (TestCluster cluster = new TestCluster(folder)) {
      FakeWorker worker = cluster.joined("w0");
      Iterator<HealthCheckResponse> health = watchGeneration(cluster);
      await(health, ServingStatus.SERVING);

      worker.leave();
      await(health, ServingStatus.NOT_SERVING);

      assertThat(status(cluster).hasModel()).isFalse();
      assertThat(status(cluster).getWorkersList()).isEmpty();
      ModelCard other = FakeWorker.card().toBuilder().setFingerprint("fedcba9876543210").build();
      cluster.worker("w0", other).join(cluster.coordinator.address());
      await(health, ServingStatus.SERVING);
      assertThat(status(cluster).getModel()).isEqualTo(other);
    }
  }

  @Test
  void shouldNameBothModelsWhenAWorkerHasAnother() throws Exception {
    try (TestCluster cluster = new TestCluster(folder)) {
      cluster.joined("w0");
      ModelCard other =
          FakeWorker.card().toBuilder()
              .setName("clouds")
              .setFingerprint("fedcba9876543210")
              .build();

      Failure failure = refusal(cluster.worker("w1", other).join(cluster.coordinator.address()));

      assertThat(failure.status()).isEqualTo(Status.Code.FAILED_PRECONDITION);
      assertThat(failure.reason()).isEqualTo(ErrorCode.MODEL_MISMATCH);
      assertThat(failure.message())
          .contains(
              "shapes (fingerprint 0123456789ab)", "clouds (fingerprint fedcba987654)", "--model");
      assertThat(status(cluster).getWorkersCount()).isEqualTo(1);
    }
  }

  @Test
  void shouldNameBothVersionsWhenAWorkerIsOfAnotherBuild() throws Exception {
    try (TestCluster cluster = new TestCluster(folder)) {
      FakeWorker worker = cluster.worker("w0", FakeWorker.card());
      WorkerDescription other = worker.description().toBuilder().setBuild("6.9").build();

      Failure failure = refusal(worker.join(cluster.coordinator.address(), other));

      assertThat(failure.status()).isEqualTo(Status.Code.FAILED_PRECONDITION);
      assertThat(failure.reason()).isEqualTo(ErrorCode.BUILD_MISMATCH);
      assertThat(failure.message()).contains("version " + TestCluster.BUILD, "w0", "\"6.9\"");
      assertThat(status(cluster).getWorkersCount()).isZero();
      cluster.joined("w1", description -> description.setBuild(TestCluster.BUILD));
      assertThat(status(cluster).getWorkersCount()).isEqualTo(1);
    }
  }

  @Test
  void shouldRunAJobWithTheBuiltInPlannerWhenStartedAsAProgram() throws Exception {
    CoordinatorConfig config = TestCluster.config(folder, 4);
    try (Coordinator coordinator = Coordinator.start(config);
        FakeWorker w0 = new FakeWorker("w0", FakeWorker.card()).join(coordinator.address());
        FakeWorker w1 = new FakeWorker("w1", FakeWorker.card()).join(coordinator.address());
        var client = LongtakeStubs.connect(coordinator.address())) {
      Job job = client.run("a red circle");

      assertThat(job.getState()).as(job.getError().getMessage()).isEqualTo(JobState.JOB_STATE_DONE);
      assertThat(job.getPlan().getReason()).isNotBlank();
      assertThat(job.getWorkerIdsList())
          .isNotEmpty()
          .isSubsetOf(w0.description().getId(), w1.description().getId());
    }
  }

  @Test
  void shouldRefuseWhenTheIdIsTaken() throws Exception {
    try (TestCluster cluster = new TestCluster(folder)) {
      cluster.joined("w0");

      Failure failure =
          refusal(cluster.worker("w0", FakeWorker.card()).join(cluster.coordinator.address()));

      assertThat(failure.status()).isEqualTo(Status.Code.ALREADY_EXISTS);
      assertThat(failure.reason()).isEqualTo(ErrorCode.WORKER_ID_IN_USE);
      assertThat(failure.message()).contains("'w0'", "--id");
    }
  }

  @Test
  void shouldRefuseWhenTheDescriptionIsOfNoUse() throws Exception {
    try (TestCluster cluster = new TestCluster(folder)) {
      FakeWorker other = cluster.worker("other", FakeWorker.card());
      WorkerDescription good = cluster.worker("w0", FakeWorker.card()).description();
      // Bound once and closed, so that nothing listens there.
      FakeWorker gone = cluster.worker("gone", FakeWorker.card());
      gone.close();

      for (WorkerDescription bad :
          new WorkerDescription[] {
            good.toBuilder().setId(" ").build(),
            good.toBuilder().clearModel().build(),
            good.toBuilder().setAddress("nowhere").build(),
            good.toBuilder().setAddress("127.0.0.1:0").build(),
            good.toBuilder().setAddress("0.0.0.0:7401").build(),
            good.toBuilder().setAddress(gone.description().getAddress()).build(),
            good.toBuilder().setAddress(other.description().getAddress()).build(),
          }) {
        FakeWorker worker = cluster.worker("w0", FakeWorker.card());
        Failure failure = refusal(worker.join(cluster.coordinator.address(), bad));
        assertThat(failure.status()).as(bad.toString()).isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(failure.field()).as(bad.toString()).isPresent();
        assertThat(failure.message()).startsWith("Expected ").doesNotContain("\n");
      }
      assertThat(status(cluster).getWorkersCount()).isZero();
    }
  }

  @Test
  void shouldGiveADrainedWorkerNoWorkAndTellItToLeaveWhenItIsDone() throws Exception {
    try (TestCluster cluster = new TestCluster(folder)) {
      FakeWorker drained = cluster.joined("w0");
      drained.behaviour = FakeWorker.Behaviour.HOLD;
      String running = cluster.submit().getId();
      cluster.awaitEvent(running, JobEvent::hasStepDone);
      DrainRequest drain = DrainRequest.newBuilder().setWorkerId("w0").build();

      assertThat(cluster.cluster().drain(drain).getDraining()).isTrue();
      assertThat(cluster.cluster().drain(drain).getJobId()).isEqualTo(running);
      FakeWorker other = cluster.joined("w1");
      assertThat(cluster.end(cluster.submit().getId()).getWorkerIdsList()).containsExactly("w1");
      assertThat(drained.toldToLeave.getCount()).as("it works").isEqualTo(1);
      drained.finish(running);

      assertThat(drained.toldToLeave.await(30, TimeUnit.SECONDS)).isTrue();
      assertThat(cluster.end(running).getState()).isEqualTo(JobState.JOB_STATE_DONE);
      assertThat(other.toldToLeave.getCount()).isEqualTo(1);
      Failure unknown =
          TestCluster.failure(
              () -> cluster.cluster().drain(DrainRequest.newBuilder().setWorkerId("w7").build()));
      assertThat(unknown.status()).isEqualTo(Status.Code.NOT_FOUND);
      assertThat(unknown.message()).contains("w7", "longtake status");
    }
  }

  @Test
  void shouldGiveAFaultyWorkerNoWorkAndSaySo() throws Exception {
    try (TestCluster cluster = new TestCluster(folder)) {
      FakeWorker worker = cluster.joined("w0");
      worker.report(WorkerReport.newBuilder().setFault("its check gave other bits").build());
      cluster.awaitStatus(status -> !status.getWorkers(0).getFault().isEmpty());
      assertThat(health(cluster)).isEqualTo(ServingStatus.NOT_SERVING);
      String waits = cluster.submit().getId();

      worker.heartbeat();

      assertThat(cluster.end(waits).getState()).isEqualTo(JobState.JOB_STATE_DONE);
      assertThat(health(cluster)).isEqualTo(ServingStatus.SERVING);
    }
  }

  @Test
  void shouldShowAWorkersMemoryWhenItsHeartbeatTellsOfIt() throws Exception {
    MemoryUse use =
        MemoryUse.newBuilder()
            .setLimitBytes(1000)
            .setPeakBytes(900)
            .putBytesByPurpose("weights", 600)
            .build();
    try (TestCluster cluster = new TestCluster(folder)) {
      FakeWorker worker = cluster.joined("w0");
      assertThat(status(cluster).getWorkers(0).hasMemory()).isFalse();

      worker.report(WorkerReport.newBuilder().setMemory(use).build());

      cluster.awaitStatus(status -> status.getWorkers(0).getMemory().equals(use));
      // A report without it, such as that a worker wants to leave, changes nothing.
      worker.report(WorkerReport.newBuilder().setFault("its check gave other bits").build());
      cluster.awaitStatus(status -> !status.getWorkers(0).getFault().isEmpty());
      assertThat(status(cluster).getWorkers(0).getMemory()).isEqualTo(use);
    }
  }

  private static ServingStatus health(TestCluster cluster) {
    return HealthGrpc.newBlockingStub(cluster.channel())
        .withDeadlineAfter(30, TimeUnit.SECONDS)
        .check(HealthCheckRequest.newBuilder().setService(GenerationGrpc.SERVICE_NAME).build())
        .getStatus();
  }

  @Test
  void shouldRemoveAWorkerWhenItMissesThreeHeartbeats() throws Exception {
    ManualTimer timer = new ManualTimer();
    Duration beat = TestCluster.heartbeat();
    try (TestCluster cluster = TestCluster.withTimer(folder, timer)) {
      FakeWorker silent = cluster.joined("silent");
      silent.behaviour = FakeWorker.Behaviour.HOLD;
      String job = cluster.submit().getId();
      cluster.awaitEvent(job, JobEvent::hasStepDone);

      timer.advance(beat.multipliedBy(3), beat);
      assertThat(status(cluster).getWorkersCount()).isEqualTo(1);
      assertThat(status(cluster).getWorkers(0).getJobId()).isEqualTo(job);
      assertThat(status(cluster).getWorkers(0).getSinceLastHeartbeat().getSeconds())
          .isEqualTo(beat.multipliedBy(3).toSeconds());
      timer.advance(beat, beat);

      Failure failure = refusal(silent);
      assertThat(failure.status()).isEqualTo(Status.Code.DEADLINE_EXCEEDED);
      assertThat(failure.message()).contains("silent", "missed 3");
      assertThat(status(cluster).getWorkersCount()).isZero();
      cluster.awaitEvent(job, JobEvent::hasRequeued);
      Job waiting = cluster.generation().get(GetJobRequest.newBuilder().setJobId(job).build());
      assertThat(waiting.getState()).isEqualTo(JobState.JOB_STATE_QUEUED);
      assertThat(waiting.getHistory(2).getReason())
          .contains("worker silent", "missed 3 heartbeats");
      cluster.joined("another");
      assertThat(cluster.end(job).getState()).isEqualTo(JobState.JOB_STATE_DONE);
    }
  }

  @Test
  void shouldKeepAWorkerWhenItsHeartbeatsCome() throws Exception {
    ManualTimer timer = new ManualTimer();
    Duration beat = TestCluster.heartbeat();
    try (TestCluster cluster = TestCluster.withTimer(folder, timer)) {
      FakeWorker worker = cluster.joined("w0");
      for (int i = 0; i < 3; i++) {
        timer.advance(beat.multipliedBy(2), beat);
        worker.heartbeat();
        // Its arrival is visible in the status, so no time has to pass.
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(WAIT_SECONDS);
        while (status(cluster).getWorkers(0).getSinceLastHeartbeat().getSeconds() != 0) {
          assertThat(System.nanoTime()).as("the heartbeat arrives").isLessThan(deadline);
        }
      }
      assertThat(status(cluster).getWorkersCount()).isEqualTo(1);
    }
  }

  @Test
  void shouldTellItsHealthByService() throws Exception {
    try (TestCluster cluster = new TestCluster(folder)) {
      var health = HealthGrpc.newBlockingStub(cluster.channel());
      for (String service : new String[] {"", "longtake.v1.Cluster"}) {
        assertThat(
                health
                    .check(HealthCheckRequest.newBuilder().setService(service).build())
                    .getStatus())
            .as(service)
            .isEqualTo(ServingStatus.SERVING);
      }
      Iterator<HealthCheckResponse> generation = watchGeneration(cluster);
      assertThat(generation.next().getStatus()).isEqualTo(ServingStatus.NOT_SERVING);
      cluster.joined("w0");
      assertThat(generation.next().getStatus()).isEqualTo(ServingStatus.SERVING);
    }
  }

  @Test
  void shouldRefuseToStartWhenThePortIsTaken() {
    try (TestCluster cluster = new TestCluster(folder.resolve("a"))) {
      int port = cluster.port();
      CoordinatorConfig second = CoordinatorConfig.of("127.0.0.1", port, folder.resolve("b"));

      for (int i = 0; i < 2; i++) {
        // Twice: a refused start leaves nothing behind, not even the lock of its folder.
        assertThatThrownBy(() -> Coordinator.start(second))
            .isInstanceOfSatisfying(
                LongtakeException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.PORT_IN_USE))
            .hasMessageContaining(String.valueOf(port));
      }
    }
  }

  @Test
  void shouldRefuseToStartWhenTheFolderIsInUse() {
    try (TestCluster cluster = new TestCluster(folder)) {
      assertThat(cluster.coordinator.address()).isNotEmpty();
      assertThatThrownBy(() -> Coordinator.start(CoordinatorConfig.of("127.0.0.1", 0, folder)))
          .isInstanceOf(LongtakeException.class)
          .hasMessageContaining("another one uses it");
    }
  }
}
