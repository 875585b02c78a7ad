package dev.longtake.coordinator.planner;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.coordinator.jobs.Planning;
import dev.longtake.v1.Plan;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;

/** Workers on processors and workers on GPUs in one cluster. */
final class DeviceKindsTest {
  private static final double FAST_LINK = 1e12;
  private static final Workload WORKLOAD =
      Models.workload(Models.openSora12(), Models.clip(15, 60, 60));
  private static final Planning UNIFORM = Planning.ofPlanner(/* mixedDevices= */ false);
  private static final Planning MIXED = Planning.ofPlanner(/* mixedDevices= */ true);

  /** w0 and w2 are processors, w1, w3 and w4 GPUs; all are equally fast. */
  private static ClusterView cluster(long memoryBytes) {
    ClusterView alike =
        Models.cluster(WORKLOAD, FAST_LINK, memoryBytes, 1e12, 1e12, 1e12, 1e12, 1e12);
    return with(alike, "cpu", "cuda", "cpu", "cuda", "cuda");
  }

  private static ClusterView with(ClusterView cluster, String... devices) {
    List<WorkerView> workers = new ArrayList<>();
    for (WorkerView w : cluster.workers()) {
      workers.add(
          new WorkerView(
              w.id(),
              w.host(),
              w.processors(),
              w.threads(),
              w.grain(),
              devices[workers.size()],
              w.memoryBytes(),
              w.times()));
    }
    return new ClusterView(workers, cluster.links());
  }

  @Test
  void shouldPlanOnTheKindWithTheShorterStepWhenDevicesDiffer() {
    assertThat(UNIFORM.plan(WORKLOAD, cluster(0), 0).workerIds())
        .as("three are faster than two")
        .containsExactlyInAnyOrder("w1", "w3", "w4");
    ClusterView fastProcessors =
        with(
            Models.cluster(WORKLOAD, FAST_LINK, 0, 9e12, 1e12, 9e12, 1e12, 1e12),
            "cpu",
            "cuda",
            "cpu",
            "cuda",
            "cuda");
    assertThat(UNIFORM.plan(WORKLOAD, fastProcessors, 0).workerIds())
        .containsExactlyInAnyOrder("w0", "w2");
  }

  @Test
  void shouldUseAllWorkersWhenMixedDevicesAreAskedForOrThereIsOneKind() {
    assertThat(MIXED.plan(WORKLOAD, cluster(0), 0).workerIds()).hasSize(5);
    ClusterView alike = with(cluster(0), "cuda", "cuda", "cuda", "cuda", "cuda");
    assertThat(UNIFORM.plan(WORKLOAD, alike, 0).workerIds()).hasSize(5);
  }

  @Test
  void shouldNameTheWorkersOfEachKindWhenNoKindCanDoIt() {
    Plan four = Plan.newBuilder().setSequenceRanks(4).build();
    LongtakeException refusal =
        catchThrowableOfType(
            LongtakeException.class, () -> UNIFORM.forced(four, WORKLOAD, cluster(0)));
    assertThat(refusal.code()).isEqualTo(ErrorCode.INVALID_REQUEST);
    assertThat(refusal)
        .hasMessageContaining("with cpu alone (w0, w2): Expected a plan for at most the 2 workers")
        .hasMessageContaining("with cuda alone (w1, w3, w4): Expected a plan for at most the 3")
        .hasMessageContaining("--mixed-devices");
    assertThat(MIXED.forced(four, WORKLOAD, cluster(0)).workerIds()).hasSize(4);
    Plan three = Plan.newBuilder().setSequenceRanks(3).build();
    assertThat(UNIFORM.forced(three, WORKLOAD, cluster(0)).workerIds())
        .containsExactlyInAnyOrder("w1", "w3", "w4");
  }

  @Test
  void shouldSayThatMemoryIsMissingWhenItIsOfEveryKind() {
    LongtakeException refusal =
        catchThrowableOfType(
            LongtakeException.class, () -> UNIFORM.plan(WORKLOAD, cluster(1 << 20), 0));
    assertThat(refusal.code()).isEqualTo(ErrorCode.OUT_OF_MEMORY);
    assertThat(refusal).hasMessageContaining("(w0, w2)").hasMessageContaining("(w1, w3, w4)");
    assertThat(UNIFORM.mostFrames(WORKLOAD, cluster(1 << 20))).isZero();
  }

  @Test
  void shouldKeepTheLinksBetweenWorkersOfAKind() {
    Links all =
        new Links() {
          @Override
          public double bytesPerSecond(int from, int to) {
            return 10 * from + to;
          }

          @Override
          public double latencySeconds(int from, int to) {
            return from + 10 * to;
          }
        };
    Map<String, ClusterView> kinds = DeviceKinds.of(new ClusterView(cluster(0).workers(), all));
    assertThat(kinds).containsOnlyKeys("cpu", "cuda");
    ClusterView gpus = Objects.requireNonNull(kinds.get("cuda"));
    assertThat(gpus.workers()).extracting(WorkerView::id).containsExactly("w1", "w3", "w4");
    assertThat(gpus.links().bytesPerSecond(1, 2)).isEqualTo(34);
    assertThat(gpus.links().latencySeconds(0, 1)).isEqualTo(31);
  }
}
