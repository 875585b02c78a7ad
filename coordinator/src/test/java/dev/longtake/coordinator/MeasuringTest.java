package dev.longtake.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.util.Durations;
import dev.longtake.v1.ClipGeometry;
import dev.longtake.v1.ClusterStatus;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.Job;
import dev.longtake.v1.JobEvent;
import dev.longtake.v1.JobState;
import dev.longtake.v1.LinkTimes;
import dev.longtake.v1.PlanPrediction;
import dev.longtake.v1.Precision;
import dev.longtake.v1.WorkOrder;
import dev.longtake.v1.WorkerStatus;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** When workers are measured, seen from outside. */
final class MeasuringTest {
  private static final long WAIT_SECONDS = 30;

  @TempDir Path folder;

  private static WorkOrder next(FakeWorker worker) throws Exception {
    WorkOrder order = worker.measuring.orders.poll(WAIT_SECONDS, TimeUnit.SECONDS);
    assertThat(order).isNotNull();
    return order;
  }

  private static boolean isMeasured(ClusterStatus status, int links) {
    return status.getLinksCount() == links
        && status.getWorkersList().stream().allMatch(WorkerStatus::hasBlockTimes)
        && status.getWorkersList().stream().allMatch(worker -> worker.getJobIdsCount() == 0);
  }

  private static Job done(TestCluster cluster) {
    Job job = cluster.end(cluster.submit().getId());
    assertThat(job.getState()).as(job.getError().getMessage()).isEqualTo(JobState.JOB_STATE_DONE);
    return job;
  }

  @Test
  void shouldMeasureBlocksAndEveryLinkWhenWorkersJoin() throws Exception {
    try (TestCluster cluster = new TestCluster(folder)) {
      FakeWorker w0 = cluster.joined("w0", description -> description.setHost("a"));
      FakeWorker w1 = cluster.joined("w1", description -> description.setHost("b"));

      ClusterStatus status = cluster.awaitStatus(now -> isMeasured(now, 2));

      assertThat(status.getWorkers(0).getBlockTimes())
          .isEqualTo(TestModel.times().toBuilder().setPrecision(Precision.PRECISION_F32).build());
      assertThat(status.getLinksList())
          .containsExactly(link("w0", "w1", 1e9), link("w1", "w0", 1e9 + 1));
      WorkOrder blocks = next(w0);
      assertThat(blocks.hasMeasureBlocks()).isTrue();
      assertThat(blocks.getMeasureBlocks().getTypical())
          .as("the default size")
          .isEqualTo(
              ClipGeometry.newBuilder()
                  .setLatentFrames(6)
                  .setLatentHeight(6)
                  .setLatentWidth(8)
                  .setPixelHeight(48)
                  .setPixelWidth(64)
                  .setPixelFrames(6)
                  .setFps(8)
                  .build());
      assertThat(blocks.getJobId()).startsWith("measure-");
      assertThat(blocks.getGangList()).containsExactly(w0.description().getAddress());
      assertThat(blocks.getModelFingerprint()).isEqualTo(FakeWorker.card().getFingerprint());
      WorkOrder there = next(w0);
      next(w1);
      WorkOrder back = next(w1);
      assertThat(there.hasMeasureLink()).isTrue();
      assertThat(there.getAttempt()).isGreaterThan(blocks.getAttempt());
      assertThat(back).isEqualTo(there.toBuilder().setRank(1).build());
      assertThat(there.getGangList())
          .containsExactly(w0.description().getAddress(), w1.description().getAddress());
    }
  }

  private static LinkTimes link(String from, String to, double bytesPerSecond) {
    return LinkTimes.newBuilder()
        .setFromWorker(from)
        .setToWorker(to)
        .setBytesPerSecond(bytesPerSecond)
        .setLatencySeconds(5e-5)
        .build();
  }

  @Test
  void shouldMeasureOneAtATimeWhenWorkersShareAHost() throws Exception {
    try (TestCluster cluster = new TestCluster(folder)) {
      FakeWorker w0 = cluster.worker("w0", FakeWorker.card());
      w0.measuring.behaviour = FakeMeasurements.Behaviour.HOLD;
      cluster.joined(w0);
      assertThat(next(w0).hasMeasureBlocks()).isTrue();
      FakeWorker w1 = cluster.joined("w1");
      FakeWorker w2 = cluster.joined("w2", description -> description.setHost("elsewhere"));

      cluster.awaitStatus(status -> status.getWorkers(2).hasBlockTimes());
      assertThat(w1.measuring.orders).as("w0, on the same host, is being measured").isEmpty();
      assertThat(cluster.status().getWorkers(0).getJobIdsList())
          .containsExactly("measure-blocks-w0-f32");
      w0.measuring.release();

      cluster.awaitStatus(status -> isMeasured(status, 6));
      assertThat(next(w2).hasMeasureBlocks()).isTrue();
    }
  }

  @Test
  void shouldWaitForTheMeasurementUnderWayOnlyWhenAJobComes() throws Exception {
    try (TestCluster cluster = new TestCluster(folder)) {
      FakeWorker w0 = cluster.worker("w0", FakeWorker.card());
      w0.measuring.behaviour = FakeMeasurements.Behaviour.HOLD;
      cluster.joined(w0);
      next(w0);
      FakeWorker w1 = cluster.joined("w1");
      w0.behaviour = FakeWorker.Behaviour.HOLD;
      w1.behaviour = FakeWorker.Behaviour.HOLD;

      String job = cluster.submit().getId();
      assertThat(cluster.status().getQueuedJobs()).isEqualTo(1);
      w0.measuring.release();
      cluster.awaitEvent(job, JobEvent::hasStepDone);
      assertThat(w1.orders.poll(WAIT_SECONDS, TimeUnit.SECONDS))
          .as("both workers take part")
          .isNotNull();

      assertThat(w1.measuring.orders).as("nothing is begun while a job waits or runs").isEmpty();
      w0.finish(job);
      w1.finish(job);
      cluster.awaitStatus(status -> isMeasured(status, 2));
    }
  }

  @Test
  void shouldGiveUpTheMeasurementUnderWayWhenAJobLostItsWorkers() throws Exception {
    try (TestCluster cluster = new TestCluster(folder)) {
      FakeWorker w0 = cluster.joined("w0");
      cluster.awaitStatus(status -> isMeasured(status, 0));
      w0.behaviour = FakeWorker.Behaviour.HOLD;
      String job = cluster.submit().getId();
      cluster.awaitEvent(job, JobEvent::hasStepDone);
      FakeWorker w1 = cluster.workerOn("another host", "w1");
      w1.measuring.behaviour = FakeMeasurements.Behaviour.HOLD;
      cluster.joined(w1);
      next(w1);

      w0.kill();

      assertThat(w1.orders.poll(WAIT_SECONDS, TimeUnit.SECONDS))
          .as("though its measurement never ends")
          .isNotNull();
      w1.measuring.behaviour = FakeMeasurements.Behaviour.ANSWER;
      cluster.end(job);
      cluster.awaitStatus(status -> isMeasured(status, 0));
    }
  }

  @Test
  void shouldGoOnWithoutWhenMeasurementsFail() throws Exception {
    try (TestCluster cluster = new TestCluster(folder)) {
      FakeWorker w0 = cluster.worker("w0", FakeWorker.card());
      FakeWorker w1 = cluster.worker("w1", FakeWorker.card());
      w0.measuring.behaviour = FakeMeasurements.Behaviour.FAIL;
      w1.measuring.behaviour = FakeMeasurements.Behaviour.NONSENSE;
      cluster.joined(w0);
      cluster.joined(w1);
      assertThat(next(w0).hasMeasureBlocks()).isTrue();
      assertThat(next(w1).hasMeasureBlocks()).isTrue();
      assertThat(next(w0).hasMeasureLink()).isTrue();

      Job job = done(cluster);

      assertThat(job.getWorkerIdsList()).containsExactly("w0", "w1");
      assertThat(cluster.status().getLinksList()).isEmpty();
      assertThat(cluster.status().getWorkersList()).noneMatch(WorkerStatus::hasBlockTimes);
    }
  }

  @Test
  void shouldTryAgainAfterAWhileWhenAMeasurementFailed() throws Exception {
    ManualTimer timer = new ManualTimer();
    try (TestCluster cluster = TestCluster.withTimer(folder, timer)) {
      FakeWorker w0 = cluster.worker("w0", FakeWorker.card());
      w0.measuring.behaviour = FakeMeasurements.Behaviour.FAIL;
      cluster.joined(w0);
      WorkOrder first = next(w0);
      cluster.awaitStatus(status -> status.getWorkers(0).getJobIdsCount() == 0);
      w0.measuring.behaviour = FakeMeasurements.Behaviour.ANSWER;

      // The retry is put on the timer some time after the failure was heard of.
      while (w0.measuring.orders.isEmpty() && !cluster.status().getWorkers(0).hasBlockTimes()) {
        timer.advance(Duration.ofMillis(10), Duration.ofMillis(10));
      }

      assertThat(next(w0).getAttempt()).isGreaterThan(first.getAttempt());
      cluster.awaitStatus(status -> status.getWorkers(0).hasBlockTimes());
    }
  }

  @Test
  void shouldMeasureInBfloat16TooWhenAJobAskedForIt() throws Exception {
    try (TestCluster cluster = new TestCluster(folder)) {
      FakeWorker w0 = cluster.joined("w0");
      assertThat(next(w0).getPrecision()).isEqualTo(Precision.PRECISION_F32);

      cluster.end(
          cluster
              .submit(
                  GenerationRequest.newBuilder()
                      .setPrompt("a red circle")
                      .setPrecision(Precision.PRECISION_BF16))
              .getId());

      WorkOrder order = next(w0);
      assertThat(order.getPrecision()).isEqualTo(Precision.PRECISION_BF16);
      assertThat(order.hasMeasureBlocks()).isTrue();
    }
  }

  @Test
  void shouldMeasureAgainWhenTwoJobsWereNotAsPredicted() throws Exception {
    try (TestCluster cluster = new TestCluster(folder)) {
      FakeWorker w0 = cluster.joined("w0");
      WorkOrder first = next(w0);
      cluster.awaitStatus(status -> isMeasured(status, 0));
      // Fake steps take no time at all.
      cluster.planning.prediction =
          PlanPrediction.newBuilder().setStep(Durations.fromSeconds(5)).build();

      done(cluster);
      cluster.awaitStatus(status -> isMeasured(status, 0));
      assertThat(w0.measuring.orders).as("one job is no drift").isEmpty();
      done(cluster);

      WorkOrder again = next(w0);
      assertThat(again.getAttempt()).isGreaterThan(first.getAttempt());
      assertThat(again.getJobId()).isEqualTo(first.getJobId());
    }
  }

  @Test
  void shouldForgetLinksWhenAWorkerLeaves() throws Exception {
    try (TestCluster cluster = new TestCluster(folder)) {
      cluster.joined("w0");
      FakeWorker w1 = cluster.joined("w1");
      cluster.awaitStatus(status -> isMeasured(status, 2));

      w1.leave();

      cluster.awaitStatus(status -> status.getWorkersCount() == 1 && status.getLinksCount() == 0);
    }
  }

  @Test
  void shouldGiveNoJobToAWorkerWhenItsMeasurementBroke() throws Exception {
    try (TestCluster cluster = new TestCluster(folder)) {
      FakeWorker w0 = cluster.worker("w0", FakeWorker.card());
      w0.measuring.behaviour = FakeMeasurements.Behaviour.HOLD;
      cluster.joined(w0);
      next(w0);
      cluster.joined("w1");

      w0.breakCalls();
      Job job = done(cluster);

      assertThat(cluster.status().getWorkersCount()).isEqualTo(2);
      assertThat(job.getWorkerIdsList()).containsExactly("w1");
    }
  }
}
