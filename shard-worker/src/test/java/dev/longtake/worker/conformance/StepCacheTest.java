package dev.longtake.worker.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.longtake.common.partition.Range;
import dev.longtake.common.plan.ExecutionPlan;
import dev.longtake.common.plan.SequenceMode;
import dev.longtake.common.tensor.DType;
import dev.longtake.v1.Ancestral;
import dev.longtake.v1.Broadcast;
import dev.longtake.v1.FirstBlock;
import dev.longtake.v1.Guidance;
import dev.longtake.v1.GuidedFlow;
import dev.longtake.v1.Precision;
import dev.longtake.v1.RectifiedFlow;
import dev.longtake.v1.SamplerState;
import dev.longtake.v1.SamplingTask;
import dev.longtake.v1.StepCache;
import dev.longtake.v1.StepCacheUse;
import dev.longtake.v1.WorkFinished;
import dev.longtake.v1.WorkOrder;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.cpu.CpuDevice;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Step caches change the video, but it is the same bits for any plan, and for a run that goes on from any state with any other plan; where
 * nothing is taken over, it is that of a run without.
 */
class StepCacheTest {
  private static final String MODEL = "stdit_v3";
  private static final int STEPS = 9;

  /** A model, what it samples, and how much of it is taken over. */
  record Case(String model, WorkOrder.Builder order, int states) {
    @Override
    public String toString() {
      return order.getSampling().getStepCache().getModeCase() + " on " + model;
    }
  }

  static Stream<Case> cases() {
    return Stream.of(
        // No step before the twelfth computes all four.
        new Case(MODEL, flow(Precision.PRECISION_F32, everything()), 0),
        new Case(MODEL, flow(Precision.PRECISION_F32, broadcast(b -> b.setTemporal(2))), 4),
        new Case(MODEL, flow(Precision.PRECISION_F32, firstBlock(0.35, 4)), 2),
        new Case("stdit_v1", ancestral(broadcast(b -> b.setTemporal(3).setSpatial(3))), 3),
        new Case(
            "mmdit_v2_liger_unfused", guidedFlow(broadcast(b -> b.setSpatial(2).setMlp(2))), 4),
        new Case("mmdit_v2_liger_unfused", guidedFlow(firstBlock(0.5, 3)), 2));
  }

  private static StepCache everything() {
    return broadcast(b -> b.setSpatial(2).setTemporal(3).setCross(4).setMlp(3));
  }

  private static StepCache broadcast(UnaryOperator<Broadcast.Builder> ranges) {
    Broadcast.Builder whole = Broadcast.newBuilder().setWindowFrom(0).setWindowTo(1000);
    return StepCache.newBuilder().setBroadcast(ranges.apply(whole)).build();
  }

  private static StepCache firstBlock(double threshold, int refreshEvery) {
    return StepCache.newBuilder()
        .setFirstBlock(
            FirstBlock.newBuilder().setThreshold(threshold).setRefreshEvery(refreshEvery))
        .build();
  }

  private static WorkOrder.Builder order(
      StepCache cache, UnaryOperator<SamplingTask.Builder> change) {
    SamplingTask.Builder task =
        SamplingTask.newBuilder()
            .setGeometry(RandomTasks.clip(5, 5, 7))
            .addPrompts(RandomTasks.text(new Random(3), 7, 32))
            .setGuidance(Guidance.newBuilder().setStrength(7))
            .setSeed(8)
            .setCheckpointEvery(1)
            .addAllCapture(List.of("final", "model_out/1", "z_out/4"));
    SamplingTask.Builder changed = change.apply(task);
    if (!cache.equals(StepCache.getDefaultInstance())) {
      changed.setStepCache(cache);
    }
    return WorkOrder.newBuilder().setSampling(changed);
  }

  private static WorkOrder.Builder flow(Precision precision, StepCache cache) {
    return order(
            cache,
            task ->
                task.setRectifiedFlow(
                    RectifiedFlow.newBuilder().setSteps(STEPS).setTimesteps(1000)))
        .setPrecision(precision);
  }

  private static WorkOrder.Builder ancestral(StepCache cache) {
    return order(
        cache,
        task ->
            task.setAncestral(Ancestral.newBuilder().setSteps(STEPS).setTimesteps(1000))
                .setGuidance(Guidance.newBuilder().setStrength(7).setGuidedChannels(3)));
  }

  private static WorkOrder.Builder guidedFlow(StepCache cache) {
    Random random = new Random(5);
    return order(
        cache,
        task ->
            task.setGeometry(RandomTasks.clip(3, 6, 4))
                .setPrompts(0, RandomTasks.pooled(random, 5))
                .addNullConditions(RandomTasks.pooled(random, 3))
                .setGuidedFlow(GuidedFlow.newBuilder().setSteps(STEPS).setShift(true)));
  }

  private static List<ExecutionPlan> plans(Path folder, int ranks) {
    return PlanMatrixTest.plans(PlanMatrixTest.profile(folder), ranks);
  }

  private static ThreadGang gang(Path folder, List<ExecutionPlan> plans) {
    return new ThreadGang(
        folder, plans.stream().mapToInt(ExecutionPlan::workers).max().orElseThrow(), 1);
  }

  @ParameterizedTest
  @MethodSource("cases")
  void shouldGiveTheSameBitsForEveryPlanAndFromEveryStateWhenStepsAreTakenOver(Case sampled) {
    Path folder = GoldenFolders.golden(sampled.model);
    List<ExecutionPlan> plans = plans(folder, 3);
    WorkOrder.Builder exact = sampled.order.clone();
    exact.getSamplingBuilder().clearStepCache();
    try (ThreadGang gang = gang(folder, plans)) {
      Map<String, Captured> undisturbed = gang.run(sampled.order, plans.getFirst());
      StepCacheUse use = use(gang);
      List<SamplerState> expected = withMode(ResumeTest.states(gang.states()), sampled.order);
      assertThat(expected).hasSize(sampled.states);
      assertThat(use.getSteps()).isEqualTo(STEPS);
      assertThat(use.getStepsWithReuse()).isBetween(1, STEPS - 1);
      assertThat(gang.run(exact, plans.getFirst()).get("final"))
          .as("the exact run")
          .isNotEqualTo(undisturbed.get("final"));
      assertThat(gang.finished().getFirst().hasStepCacheUse()).isFalse();
      for (int i = 0; i < plans.size(); i++) {
        ExecutionPlan plan = plans.get(i);
        ShardedEqualityTest.assertSameBits(
            gang.run(sampled.order, plan), undisturbed, plan.toString());
        assertThat(use(gang)).as(plan.toString()).isEqualTo(use);
        assertThat(withMode(ResumeTest.states(gang.states()), sampled.order)).isEqualTo(expected);
        assertThat(gang.activationBytes()).as("left behind, %s", plan).isZero();
        if (!expected.isEmpty()) {
          goOn(gang, sampled.order, plan, expected.get(i % expected.size()), undisturbed, use);
        }
      }
    }
  }

  private static void goOn(
      ThreadGang gang,
      WorkOrder.Builder order,
      ExecutionPlan plan,
      SamplerState state,
      Map<String, Captured> undisturbed,
      StepCacheUse use) {
    WorkOrder.Builder rest = order.clone();
    rest.getSamplingBuilder().setResume(state).clearCapture().addCapture("final");

    Captured latents = gang.run(rest, plan).get("final");

    String place = "from step %d with %s".formatted(state.getStepsDone(), plan);
    assertThat(latents).as(place).isNotNull();
    if (latents != null) {
      Captured expected = undisturbed.get("final");
      assertThat(expected).isNotNull();
      assertThat(latents.values()).as(place).isEqualTo(expected == null ? null : expected.values());
    }
    assertThat(use(gang)).as(place).isEqualTo(use);
  }

  /** As the coordinator keeps them. */
  private static List<SamplerState> withMode(List<SamplerState> states, WorkOrder.Builder order) {
    return states.stream()
        .map(state -> state.toBuilder().setStepCache(order.getSampling().getStepCache()).build())
        .toList();
  }

  /** What all ranks say alike. */
  private static StepCacheUse use(ThreadGang gang) {
    List<StepCacheUse> said =
        gang.finished().stream().map(WorkFinished::getStepCacheUse).distinct().toList();
    assertThat(said).hasSize(1);
    return said.getFirst();
  }

  @Test
  void shouldGiveTheSameBitsForEveryPlanWhenProductsAreBfloat16() {
    try (Device device = CpuDevice.open(1, 1 << 20)) {
      assumeTrue(device.supports(DType.BF16), "this processor has no bfloat16 products");
    }
    Path folder = GoldenFolders.golden(MODEL);
    List<ExecutionPlan> plans = plans(folder, 2);
    WorkOrder.Builder order = flow(Precision.PRECISION_BF16, everything());
    try (ThreadGang gang = gang(folder, plans)) {
      Map<String, Captured> expected = gang.run(order, plans.getFirst());
      for (ExecutionPlan plan : plans) {
        ShardedEqualityTest.assertSameBits(gang.run(order, plan), expected, plan.toString());
      }
    }
  }

  @Test
  void shouldGiveTheBitsOfAnExactRunWhenNothingIsTakenOver() {
    Path folder = GoldenFolders.golden(MODEL);
    List<ExecutionPlan> plans = plans(folder, 2);
    StepCache ones = broadcast(b -> b.setSpatial(1).setTemporal(1).setCross(1).setMlp(1));
    StepCache outside =
        broadcast(b -> b.setTemporal(3).setMlp(2).setWindowFrom(100).setWindowTo(101));
    try (ThreadGang gang = gang(folder, plans)) {
      Map<String, Captured> exact =
          gang.run(flow(Precision.PRECISION_F32, StepCache.getDefaultInstance()), plans.getFirst());
      for (ExecutionPlan plan : plans) {
        for (StepCache cache : List.of(ones, outside, firstBlock(0, 4), firstBlock(1, 1))) {
          String what = cache + ", " + plan;
          WorkOrder.Builder order = flow(Precision.PRECISION_F32, cache);
          ShardedEqualityTest.assertSameBits(gang.run(order, plan), exact, what);
          assertThat(use(gang).getStepsWithReuse()).as(what).isZero();
        }
      }
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = SequenceMode.class,
      names = {"SWITCH", "HEADS", "GATHER"})
  void shouldSendNothingForAttentionsThatAreTakenOver(SequenceMode mode) {
    Path folder = GoldenFolders.golden(MODEL);
    ExecutionPlan plan = ExecutionPlan.sequence(4, 3, mode);
    try (ThreadGang gang = gang(folder, List.of(plan))) {
      long whole = sentBytes(gang, plan, broadcast(b -> b.setTemporal(2).setWindowTo(1)));
      // Steps 1, 3, 5 and 7 of 9; by frame, nothing but attention across frames sends anything.
      long half = sentBytes(gang, plan, broadcast(b -> b.setTemporal(2)));
      assertThat(use(gang).getTemporalReused()).isEqualTo(4 * 2);

      assertThat(whole).isPositive();
      assertThat(half * STEPS).isEqualTo(whole * (STEPS - 4));
      assertThat(sentBytes(gang, plan, broadcast(b -> b.setSpatial(2).setCross(3))))
          .isEqualTo(whole);
    }
  }

  private static long sentBytes(ThreadGang gang, ExecutionPlan plan, StepCache cache) {
    gang.run(flow(Precision.PRECISION_F32, cache), plan);
    return gang.finished().stream().mapToLong(WorkFinished::getExchangedBytes).sum();
  }

  @Test
  void shouldSendTheFirstBlocksTokensOnlyWhereTheRestIsComputed() {
    Path folder = GoldenFolders.golden(MODEL);
    ExecutionPlan plan =
        new ExecutionPlan(
            1, List.of(new Range(0, 2), new Range(2, 4)), 1, SequenceMode.SWITCH, List.of(1), 1);
    try (ThreadGang gang = gang(folder, List.of(plan))) {
      gang.run(flow(Precision.PRECISION_F32, firstBlock(1, 4)), plan);
      int reused = use(gang).getStepsWithReuse();
      long exact = sentBytes(gang, plan, StepCache.getDefaultInstance());
      long cached = sentBytes(gang, plan, firstBlock(1, 4));

      // 5 frames of 3 x 4 patches in 2 rows; latents come back in each step, 8 bytes twice a vote.
      long tokens = 2L * 5 * 12 * PlanMatrixTest.profile(folder).getChannels() * 4;
      int votes = STEPS - 3;
      assertThat(reused).isPositive();
      assertThat(cached - exact).isEqualTo((STEPS - reused) * tokens + votes * 16L);
    }
  }
}
