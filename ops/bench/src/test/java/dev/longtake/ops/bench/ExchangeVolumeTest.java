package dev.longtake.ops.bench;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.partition.Range;
import dev.longtake.common.plan.ExecutionPlan;
import dev.longtake.common.plan.SequenceMode;
import dev.longtake.common.plan.WireFormat;
import dev.longtake.common.tensor.DType;
import dev.longtake.coordinator.planner.ExchangeVolume;
import dev.longtake.coordinator.planner.Workload;
import dev.longtake.v1.Ancestral;
import dev.longtake.v1.ClipGeometry;
import dev.longtake.v1.Guidance;
import dev.longtake.v1.GuidedFlow;
import dev.longtake.v1.ImageGuidance;
import dev.longtake.v1.Precision;
import dev.longtake.v1.RowCondition;
import dev.longtake.v1.SamplingTask;
import dev.longtake.v1.WorkOrder;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.cpu.CpuDevice;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What worker processes count on their streams is what the planner's closed forms say, to the byte, from each rank to each. */
@Tag("long")
class ExchangeVolumeTest {
  private static final int STEPS = 2;
  private static final int TEXT_TOKENS = 7;
  private static final String HEAP = "128m";

  @TempDir Path logs = Path.of("");

  private static Path golden(String model) {
    return Path.of("../../shard-worker/src/test/resources/golden").resolve(model);
  }

  /** Sizes that divide nothing. */
  private static ClipGeometry clip() {
    return RandomTasks.clip(5, 5, 7);
  }

  @Test
  void shouldSendWhatTheClosedFormSaysWhenAttentionIsWithinAndAcrossFrames() {
    List<ExecutionPlan> plans = new ArrayList<>();
    for (SequenceMode mode : SequenceMode.values()) {
      plans.addAll(products(4, mode));
      for (WireFormat format : List.of(WireFormat.BF16, WireFormat.INT8_ROWS)) {
        products(4, mode).subList(3, 5).forEach(plan -> plans.add(plan.withWireFormat(format)));
      }
    }
    WorkOrder task = RandomTasks.rectifiedFlow(clip(), TEXT_TOKENS, 32, STEPS, 1);
    Batch batch = new Batch(2, TEXT_TOKENS, /* learnedVariance= */ false);
    try (WorkerGang gang = start("stdit_v3", 6)) {
      check("stdit_v3", gang, task, batch, plans);
      if (hasBfloat16()) {
        List<Range> all = List.of(new Range(0, 4));
        check(
            "stdit_v3 in bfloat16",
            gang,
            RandomTasks.rectifiedFlow(clip(), TEXT_TOKENS, 32, STEPS, 4).toBuilder()
                .setPrecision(Precision.PRECISION_BF16)
                .build(),
            batch,
            List.of(
                plan(1, all, SequenceMode.HEADS, List.of(1, 3, 2), 2),
                plan(1, all, SequenceMode.PATCH_HEADS, List.of(2, 1, 1), 1)));
      }
    }
  }

  private static boolean hasBfloat16() {
    try (Device device = CpuDevice.open(1, 1 << 20)) {
      return device.supports(DType.BF16);
    }
  }

  @Test
  void shouldSendWhatTheClosedFormSaysWhenTextIsInTheSequenceAndRowsAreThree() {
    List<ExecutionPlan> plans = new ArrayList<>();
    for (SequenceMode mode :
        List.of(
            SequenceMode.HEADS,
            SequenceMode.GATHER,
            SequenceMode.PATCH_HEADS,
            SequenceMode.PATCH_GATHER)) {
      plans.addAll(products(2, mode));
    }
    Random random = new Random(2);
    SamplingTask task =
        SamplingTask.newBuilder()
            .setGeometry(RandomTasks.clip(5, 6, 10))
            .addPrompts(pooled(random))
            .addNullConditions(pooled(random))
            .setGuidedFlow(GuidedFlow.newBuilder().setSteps(STEPS).setShift(true))
            .setGuidance(
                Guidance.newBuilder()
                    .setStrength(7)
                    .setImage(ImageGuidance.newBuilder().setStrength(3)))
            .setSeed(2)
            .addCapture(RandomTasks.FINAL)
            .build();
    try (WorkerGang gang = start("mmdit_v2_liger_unfused", 6)) {
      check(
          "mmdit_v2_liger_unfused",
          gang,
          WorkOrder.newBuilder().setSampling(task).build(),
          new Batch(3, TEXT_TOKENS, /* learnedVariance= */ false),
          plans);
    }
  }

  @Test
  void shouldSendTheVarianceOfPromptsWhenItIsLearned() {
    SamplingTask task =
        SamplingTask.newBuilder()
            .setGeometry(clip())
            .addPrompts(text(new Random(3), 32))
            .setAncestral(Ancestral.newBuilder().setSteps(STEPS).setTimesteps(1000))
            .setGuidance(Guidance.newBuilder().setStrength(7).setGuidedChannels(3))
            .setSeed(3)
            .addCapture(RandomTasks.FINAL)
            .build();
    try (WorkerGang gang = start("stdit_v1", 2)) {
      check(
          "stdit_v1",
          gang,
          WorkOrder.newBuilder().setSampling(task).build(),
          new Batch(2, TEXT_TOKENS, /* learnedVariance= */ true),
          List.of(plan(2, List.of(new Range(0, 2)), SequenceMode.SWITCH, List.of(1), 1)));
    }
  }

  private static RowCondition pooled(Random random) {
    return text(random, 28).toBuilder().setPooledText(RandomTasks.normal(random, 20)).build();
  }

  private static RowCondition text(Random random, int channels) {
    return RowCondition.newBuilder()
        .setEmbedding(RandomTasks.normal(random, TEXT_TOKENS, channels))
        .build();
  }

  /** Every axis alone and every product of two, with shares that divide nothing and ranges that are not even. */
  private static List<ExecutionPlan> products(int blocks, SequenceMode mode) {
    List<Range> all = List.of(new Range(0, blocks));
    List<Range> two = List.of(new Range(0, 1), new Range(1, blocks));
    List<Integer> uneven = List.of(3, 1, 2);
    return List.of(
        plan(1, all, mode, uneven, 1),
        plan(1, all, mode, List.of(1, 1), 2),
        plan(1, all, mode, Collections.nCopies(6, 1), 1),
        plan(2, all, mode, uneven, 2),
        plan(1, two, mode, uneven, 2),
        plan(2, two, mode, List.of(1), 1),
        plan(1, two, mode, List.of(1), 2),
        plan(2, all, mode, List.of(1), 1),
        plan(1, all, mode, List.of(1), 1));
  }

  private static ExecutionPlan plan(
      int groups, List<Range> stages, SequenceMode mode, List<Integer> shares, int microBatches) {
    return new ExecutionPlan(groups, stages, shares.size(), mode, shares, microBatches);
  }

  private record Batch(int rows, int textTokens, boolean learnedVariance) {}

  private WorkerGang start(String model, int workers) {
    return WorkerGang.start(model, workers, golden(model), logs, HEAP, 1);
  }

  private static void check(
      String name, WorkerGang gang, WorkOrder task, Batch batch, List<ExecutionPlan> plans) {
    Workload workload =
        new Workload(
            gang.description().getModel().getProfile(),
            task.getSampling().getGeometry(),
            /* samples= */ 1,
            batch.rows(),
            batch.textTokens(),
            task.getPrecision(),
            batch.learnedVariance());
    GangRun alone = gang.run(ExecutionPlan.solo(workload.profile().getBlocksCount()), task);
    for (ExecutionPlan plan : plans) {
      GangRun run = gang.run(plan, task);
      if (!plan.wireFormat().isLossy()) {
        run.requireSame(alone, RandomTasks.FINAL, plan.toString());
      }
      long[][] step = ExchangeVolume.ofStep(workload.withWireFormat(plan.wireFormat()), plan);
      long[][] counted = new long[step.length][];
      long[][] expected = new long[step.length][step.length];
      for (int rank = 0; rank < step.length; rank++) {
        var finished = run.finished(rank);
        counted[rank] =
            finished.getSentBytesByRankList().stream().mapToLong(Long::longValue).toArray();
        assertThat(finished.getExchangedBytes()).isEqualTo(Arrays.stream(counted[rank]).sum());
        for (int to = 0; to < step.length; to++) {
          expected[rank][to] = STEPS * step[rank][to];
        }
      }
      assertThat(counted).as("%s: %s", name, plan).isDeepEqualTo(expected);
      assertThat(Arrays.stream(step).flatMapToLong(Arrays::stream).sum())
          .as("%s sends nothing", plan)
          .satisfies(sum -> assertThat(sum > 0).isEqualTo(plan.workers() > 1));
    }
  }
}
