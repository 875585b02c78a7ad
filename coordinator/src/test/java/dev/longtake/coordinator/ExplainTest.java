package dev.longtake.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.coordinator.TestCluster.Failure;
import dev.longtake.coordinator.planner.Workload;
import dev.longtake.v1.ExplainRequest;
import dev.longtake.v1.ExplainResponse;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.JobEvent;
import dev.longtake.v1.Plan;
import dev.longtake.v1.Precision;
import io.grpc.Status;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class ExplainTest {
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

  private ExplainResponse explain(ExplainRequest.Builder request) {
    return cluster.cluster().explain(request.build());
  }

  @Test
  void shouldPlanOverAllWorkersWhenTheyAreBusy() throws Exception {
    cluster.joined("w0").behaviour = FakeWorker.Behaviour.HOLD;
    String job = cluster.submit().getId();
    cluster.awaitEvent(job, JobEvent::hasStepDone);
    cluster.joined("w1");

    ExplainResponse explained =
        explain(
            ExplainRequest.newBuilder()
                .setRequest(
                    GenerationRequest.newBuilder()
                        .setFrames(9)
                        .setPrecision(Precision.PRECISION_BF16)));

    assertThat(explained.getCandidates(0).getWorkerIdsList()).containsExactlyInAnyOrder("w0", "w1");
    assertThat(explained.getCandidatesList()).hasSize(3);
    assertThat(explained.getConsidered()).isEqualTo(7);
    assertThat(explained.getTextTokens()).isEqualTo(FakeWorker.MAX_TOKENS);
    assertThat(explained.getRows()).isEqualTo(2);
    Workload workload = cluster.planning.workloads.getLast();
    assertThat(workload.clip().getLatentFrames()).isEqualTo(9);
    assertThat(workload.textTokens()).isEqualTo(FakeWorker.MAX_TOKENS);
    assertThat(workload.precision()).isEqualTo(Precision.PRECISION_BF16);
    assertThat(cluster.status().getQueuedJobs()).isZero();
  }

  @Test
  void shouldKeepToTheLimitAndThePlanWhenTheyAreGiven() throws Exception {
    cluster.joined("w0");
    cluster.joined("w1");

    ExplainResponse explained =
        explain(
            ExplainRequest.newBuilder()
                .setLimit(2)
                .setRequest(
                    GenerationRequest.newBuilder().setPlan(Plan.newBuilder().setSequenceRanks(1))));

    assertThat(explained.getCandidatesList()).hasSize(2);
    assertThat(explained.getCandidates(0).getWorkerIdsList()).hasSize(1);
  }

  @Test
  void shouldRefuseAsSubmitDoesWhenTheRequestIsBad() throws Exception {
    Failure empty = TestCluster.failure(() -> explain(ExplainRequest.newBuilder()));
    assertThat(empty.status()).isEqualTo(Status.Code.FAILED_PRECONDITION);
    assertThat(empty.message()).contains("no worker has joined");

    cluster.joined("w0");
    record Bad(String field, ExplainRequest.Builder request) {}
    for (Bad bad :
        new Bad[] {
          new Bad("limit", ExplainRequest.newBuilder().setLimit(-1)),
          new Bad(
              "width",
              ExplainRequest.newBuilder().setRequest(GenerationRequest.newBuilder().setWidth(17))),
          new Bad(
              "plan",
              ExplainRequest.newBuilder()
                  .setRequest(
                      GenerationRequest.newBuilder()
                          .setPlan(Plan.newBuilder().setSequenceRanks(2)))),
        }) {
      assertThat(TestCluster.failure(() -> explain(bad.request)).field()).hasValue(bad.field);
    }
    cluster.planning.fewestWorkers = 2;
    assertThat(TestCluster.failure(() -> explain(ExplainRequest.newBuilder())).reason())
        .isEqualTo(ErrorCode.OUT_OF_MEMORY);
  }
}
