package dev.longtake.coordinator.planner;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.google.protobuf.Duration;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.partition.Grain;
import dev.longtake.common.plan.ExecutionPlan;
import dev.longtake.common.plan.Plans;
import dev.longtake.v1.BlockRange;
import dev.longtake.v1.LinkTimes;
import dev.longtake.v1.Plan;
import dev.longtake.v1.PlanCandidate;
import dev.longtake.v1.Precision;
import dev.longtake.v1.WorkerPrediction;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class PlannerTest {
  private static final double GIGABIT = 1e9 / 8;
  private static final long GIB = 1L << 30;

  /** Four pairs of blocks of 256 channels on 8 frames of 8 x 8 patches. */
  private static Workload video() {
    return Models.workload(Models.stdit3(256, 8, 4), Models.clip(8, 16, 16));
  }

  private static ExecutionPlan checked(Workload workload, Plan plan) {
    return Plans.of(plan, workload.profile());
  }

  private static double seconds(Plan plan) {
    return seconds(plan.getPrediction().getStep());
  }

  private static double seconds(Duration duration) {
    return duration.getSeconds() + duration.getNanos() / 1e9;
  }

  @Test
  void shouldUseTheOneThereIsWhenAlone() {
    Workload workload = video();
    PlanChoice choice = Planner.plan(workload, Models.cluster(workload, 10 * GIGABIT, 0, 100e9), 0);

    assertThat(choice.workerIds()).containsExactly("w0");
    assertThat(choice.considered()).isEqualTo(1);
    assertThat(choice.plan().getReason()).startsWith("the only plan on 1 worker");
    // 2 rows * 512 tokens * 8 blocks: products, keys (64 or 8) and 20 text tokens; and the edges.
    double flops =
        2 * 512 * (4.0 * (2 * (28L * 256 * 256 + 4 * 256 * 20) + 4 * 256 * (64 + 8)) + 96 * 256);
    assertThat(seconds(choice.plan())).isCloseTo(flops / 100e9 + 9 * 50e-6, within(1e-6));
  }

  @Test
  void shouldSplitTheBranchesWhenTwoEqualWorkersHaveTwoRows() {
    Workload workload = video();
    PlanChoice choice =
        Planner.plan(workload, Models.cluster(workload, 10 * GIGABIT, 0, 100e9, 100e9), 0);

    assertThat(choice.plan().getBranchGroups()).isEqualTo(2);
    assertThat(choice.plan().getSequenceRanks()).isEqualTo(1);
    assertThat(choice.workerIds()).containsExactly("w0", "w1");
    assertThat(choice.candidates().getFirst().getChosen()).isTrue();
    assertThat(choice.candidates().stream().skip(1)).noneMatch(PlanCandidate::getChosen);
    assertThat(choice.candidates().stream().map(c -> seconds(c.getPlan()))).isSorted();
    assertThat(choice.candidates().getLast().getReason()).containsPattern("(%|x) slower: ");
  }

  @Test
  void shouldSplitOnlyTheBranchesAcrossTheSlowLinkWhenIslandsAreFast() {
    Workload workload = video();
    List<WorkerView> workers = new ArrayList<>();
    List<LinkTimes> links = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      workers.add(
          new WorkerView(
              "w" + i,
              "same",
              0,
              1,
              Grain.WHOLE,
              "cpu",
              0,
              Optional.of(Models.times(workload, 100e9))));
      for (int j = 0; j < 4; j++) {
        // w0 and w2 are an island, w1 and w3 another.
        double rate = i % 2 == j % 2 ? 100 * GIGABIT : GIGABIT;
        links.add(
            LinkTimes.newBuilder()
                .setFromWorker("w" + i)
                .setToWorker("w" + j)
                .setBytesPerSecond(rate)
                .setLatencySeconds(50e-6)
                .build());
      }
    }
    List<String> ids = workers.stream().map(WorkerView::id).toList();
    PlanChoice choice =
        Planner.plan(
            workload,
            new ClusterView(workers, new MeasuredLinks(links, ids, Collections.nCopies(4, "same"))),
            0);

    ExecutionPlan plan = checked(workload, choice.plan());
    assertThat(plan.branchGroups()).isEqualTo(2);
    assertThat(plan.workers()).isEqualTo(4);
    assertThat(choice.workerIds()).containsExactly("w0", "w2", "w1", "w3");
  }

  @Test
  void shouldPreferASequenceSplitWhenThereIsOneRowAndLinksAreFast() {
    Workload video = video();
    Workload one =
        new Workload(video.profile(), video.clip(), 1, 1, 20, Precision.PRECISION_F32, false);

    Plan fast = Planner.plan(one, Models.cluster(one, 1000 * GIGABIT, 0, 100e9, 100e9), 0).plan();
    assertThat(fast.getSequenceRanks()).isEqualTo(2);
    // Nothing pays over such a link: one worker is best.
    PlanChoice slow = Planner.plan(one, Models.cluster(one, 0.01 * GIGABIT, 0, 100e9, 100e9), 0);
    assertThat(slow.workerIds()).hasSize(1);
    assertThat(slow.candidates())
        .anyMatch(candidate ->
            candidate.getReason().contains("waits")
                && candidate.getReason().contains("a step for bytes"));
  }

  @Test
  void shouldDivideTheBlocksWhenTheModelIsTooLargeForOne() {
    Workload workload =
        new Workload(
            Models.stdit3(256, 8, 4),
            Models.clip(1, 4, 4),
            1,
            1,
            20,
            Precision.PRECISION_F32,
            false);
    long blocks = 4L * 8 * (16 * 256 * 256 + 19 * 256);
    PlanChoice choice =
        Planner.plan(
            workload, Models.cluster(workload, 10 * GIGABIT, blocks * 3 / 4, 100e9, 100e9), 0);

    assertThat(choice.plan().getStagesList())
        .containsExactly(
            BlockRange.newBuilder().setEnd(4).build(),
            BlockRange.newBuilder().setStart(4).setEnd(8).build());
    assertThat(choice.candidates().getLast().getReason())
        .startsWith("does not fit: needs ")
        .contains(" on w0");
    assertThat(choice.candidates().getLast().getPlan().getPrediction().hasStep()).isFalse();
    assertThat(choice.plan().getPrediction().getWorkersList())
        .allMatch(worker -> worker.getMemoryBytes() <= blocks * 3 / 4);
    assertThat(choice.plan().getReason()).contains("don't fit into memory");
  }

  @Test
  void shouldGiveUnequalSharesWhenSpeedsDiffer() {
    Workload video = video();
    Workload one =
        new Workload(video.profile(), video.clip(), 1, 1, 20, Precision.PRECISION_F32, false);
    PlanChoice choice = Planner.plan(one, Models.cluster(one, 1000 * GIGABIT, 0, 100e9, 300e9), 0);

    assertThat(choice.workerIds()).containsExactly("w1", "w0");
    assertThat(choice.plan().getSequenceSharesList()).containsExactly(3, 1);
    assertThat(
            choice.plan().getPrediction().getWorkersList().stream()
                .map(WorkerPrediction::getCompute)
                .map(PlannerTest::seconds))
        .allSatisfy(compute ->
            assertThat(compute)
                .isCloseTo(seconds(choice.plan()), within(0.2 * seconds(choice.plan()))));
  }

  @Test
  void shouldGiveTheSlowWorkerFewerBlocksWhenInStages() {
    Workload workload = video();
    ClusterView cluster = Models.cluster(workload, 10 * GIGABIT, 0, 300e9, 100e9);
    PlanChoice choice = Planner.plan(workload, cluster, 3);

    PlanCandidate staged =
        choice.candidates().stream()
            .filter(candidate -> candidate.getPlan().getStagesCount() == 2)
            .findFirst()
            .orElseThrow();
    assertThat(staged.getWorkerIdsList()).containsExactly("w0", "w1");
    assertThat(staged.getPlan().getStages(0).getEnd()).isEqualTo(6);
    assertThat(staged.getPlan().getPrediction().getJobsInFlight()).isGreaterThan(1);
  }

  @Test
  void shouldLeaveWorkersToOtherJobsWhenSeveralWait() {
    Workload workload = video();
    double[] flops = new double[4];
    Arrays.fill(flops, 100e9);
    ClusterView cluster = Models.cluster(workload, 0.1 * GIGABIT, 0, flops);

    assertThat(Planner.plan(workload, cluster, 0).workerIds()).hasSize(2);
    PlanChoice busy = Planner.plan(workload, cluster, 3);
    assertThat(busy.workerIds()).hasSize(1);
    assertThat(busy.plan().getReason()).contains("on 4 gangs of 1 worker side by side");
    assertThat(Planner.plan(workload, cluster, 1).plan().getReason())
        .contains("on 2 gangs of 2 workers side by side");
  }

  @Test
  void shouldSayThatNothingWasMeasuredWhenItWasNot() {
    Workload workload = video();
    var workers =
        List.of(
            new WorkerView("a", "h", 2, 1, Grain.WHOLE, "cpu", 0, Optional.empty()),
            new WorkerView(
                "b", "h", 2, 1, Grain.WHOLE, "cpu", 0, Optional.of(Models.times(workload, 40e9))));
    ClusterView cluster =
        new ClusterView(
            workers, new MeasuredLinks(List.of(), List.of("a", "b"), List.of("h", "h")));

    assertThat(Planner.plan(workload, cluster, 0).plan().getReason())
        .contains("1 of 2 workers not measured")
        .contains("GFLOP/s");
  }

  @Test
  void shouldExpectNoGainWhenWorkersCrowdOneProcessor() {
    Workload workload = video();
    var times = Optional.of(Models.times(workload, 40e9));
    var workers =
        List.of(
            new WorkerView("a", "h", 1, 1, Grain.WHOLE, "cpu", 0, times),
            new WorkerView("b", "h", 1, 1, Grain.WHOLE, "cpu", 0, times));
    ClusterView cluster =
        new ClusterView(
            workers, new MeasuredLinks(List.of(), List.of("a", "b"), List.of("h", "h")));

    assertThat(Planner.plan(workload, cluster, 0).workerIds()).hasSize(1);
  }

  @Test
  void shouldSayWhatFitsWhenNothingDoes() {
    Workload workload = Models.workload(Models.openSora12(), Models.clip(30, 90, 160));
    ClusterView cluster = Models.cluster(workload, 10 * GIGABIT, 4 * GIB, 1e12, 1e12);

    assertThatThrownBy(() -> Planner.plan(workload, cluster, 0))
        .isInstanceOfSatisfying(
            LongtakeException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.OUT_OF_MEMORY))
        .hasMessageContaining("on 2 workers")
        .hasMessageContaining("has 4.0 GiB")
        .hasMessageFindingMatch(
            "it would fit into workers .*: \\d+ workers, .*stages of blocks 0 to")
        .hasMessageFindingMatch("with \\d+ of its 30 latent frames")
        .hasMessageFindingMatch("with latents of \\d+ x \\d+ instead of 160 x 90");
  }

  @Test
  void shouldSayHowManyFramesFitAtOnce() {
    Workload workload = Models.workload(Models.openSora12(), Models.clip(30, 90, 160));
    ClusterView small = Models.cluster(workload, 10 * GIGABIT, 16 * GIB, 1e12);
    ClusterView large = Models.cluster(workload, 10 * GIGABIT, 16 * GIB, 1e12, 1e12, 1e12, 1e12);

    int most = Planner.mostFrames(workload, small);

    assertThat(most).isPositive();
    assertThat(Planner.plan(frames(workload, most), small, 0).workerIds()).hasSize(1);
    assertThatThrownBy(() -> Planner.plan(frames(workload, most + 1), small, 0))
        .hasMessageContaining("with %d of its %d latent frames", most, most + 1);
    assertThat(Planner.mostFrames(workload, large)).isGreaterThan(2 * most);
    ClusterView tiny = Models.cluster(workload, 10 * GIGABIT, 1 << 20, 1e12);
    assertThat(Planner.mostFrames(workload, tiny)).isZero();
  }

  private static Workload frames(Workload workload, int frames) {
    return workload.withClip(workload.clip().toBuilder().setLatentFrames(frames).build());
  }

  @Test
  void shouldPredictTheAskedPlanWhenForced() {
    Workload workload = video();
    ClusterView cluster = Models.cluster(workload, 10 * GIGABIT, GIB, 100e9, 100e9, 100e9);
    Plan asked =
        Plan.newBuilder()
            .setSequenceRanks(1)
            .addStages(BlockRange.newBuilder().setEnd(3))
            .addStages(BlockRange.newBuilder().setStart(3).setEnd(8))
            .build();
    PlanChoice choice = Planner.forced(asked, workload, cluster);

    assertThat(choice.plan().getStagesList()).isEqualTo(asked.getStagesList());
    assertThat(choice.workerIds()).containsExactly("w0", "w1");
    assertThat(choice.plan().getReason()).startsWith("asked for");
    assertThat(choice.plan().getPrediction().getWorkers(0).getSentBytes())
        .isEqualTo(2L * 512 * 256 * 4);
    assertThat(seconds(choice.plan())).isPositive();
  }

  @Test
  void shouldRefuseWhenTheForcedPlanIsImpossible() {
    Workload workload = video();
    ClusterView cluster = Models.cluster(workload, 10 * GIGABIT, GIB, 100e9, 100e9, 100e9);

    refused(Plan.newBuilder().setSequenceRanks(4), workload, cluster, "plan", "take 4");
    refused(
        Plan.newBuilder().setSequenceRanks(1).setBranchGroups(3),
        workload,
        cluster,
        "plan.branch_groups",
        "2, but got 3");
    refused(
        Plan.newBuilder().setSequenceRanks(1).addStages(BlockRange.newBuilder().setEnd(7)),
        workload,
        cluster,
        "plan.stages",
        "end with block 7");
  }

  private static void refused(
      Plan.Builder plan, Workload workload, ClusterView cluster, String field, String part) {
    assertThatThrownBy(() -> Planner.forced(plan.build(), workload, cluster))
        .isInstanceOfSatisfying(LongtakeException.class, e -> assertThat(e.field()).contains(field))
        .hasMessageContaining(part);
  }

  @Test
  void shouldSayWhatFitsWhenTheForcedPlanDoesNot() {
    Workload workload =
        new Workload(
            Models.stdit3(256, 8, 4),
            Models.clip(1, 4, 4),
            1,
            1,
            20,
            Precision.PRECISION_F32,
            false);
    ClusterView cluster = Models.cluster(workload, 10 * GIGABIT, 28L << 20, 100e9, 100e9);

    assertThatThrownBy(
            () -> Planner.forced(Plan.newBuilder().setSequenceRanks(1).build(), workload, cluster))
        .isInstanceOfSatisfying(
            LongtakeException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.OUT_OF_MEMORY))
        .hasMessageContaining("it would fit with 2 workers, 2 stages of blocks 0 to 4, 4 to 8");
  }

  @Test
  void shouldStayBoundedWhenThereAreThousandsOfWorkers() {
    Workload workload =
        new Workload(
            Models.openSora12(),
            Models.clip(120, 90, 160),
            1,
            2,
            300,
            Precision.PRECISION_BF16,
            false);
    List<WorkerView> workers = new ArrayList<>();
    List<Integer> nodes = new ArrayList<>();
    var times = Optional.of(Models.times(workload, 130e12));
    for (int i = 0; i < 4000; i++) {
      nodes.add(i / 8);
      workers.add(new WorkerView("w" + i, "n" + i / 8, 0, 1, Grain.WHOLE, "cpu", 80 * GIB, times));
    }
    ClusterView cluster =
        new ClusterView(
            workers,
            new TierLinks(
                nodes,
                Collections.nCopies(500, new TierLinks.Link(400e9, 5e-6)),
                new TierLinks.Link(50e9, 10e-6)));
    PlanChoice choice = Planner.plan(workload, cluster, 0);

    assertThat(choice.considered()).isBetween(200, 2000);
    assertThat(choice.candidates().size())
        .isLessThanOrEqualTo(Planner.MAX_FITTING + Planner.MAX_OTHERS);
    assertThat(choice.plan().getBranchGroups()).isEqualTo(2);
    assertThat(choice.workerIds()).hasSizeGreaterThan(100).doesNotHaveDuplicates();
  }
}
