package dev.longtake.worker.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.longtake.common.model.ModelFolder;
import dev.longtake.common.partition.Partition;
import dev.longtake.common.partition.Range;
import dev.longtake.common.plan.ExecutionPlan;
import dev.longtake.common.plan.Plans;
import dev.longtake.common.plan.SequenceMode;
import dev.longtake.common.tensor.DType;
import dev.longtake.v1.Ancestral;
import dev.longtake.v1.AttentionProfile;
import dev.longtake.v1.ClipGeometry;
import dev.longtake.v1.Guidance;
import dev.longtake.v1.GuidedFlow;
import dev.longtake.v1.ImageGuidance;
import dev.longtake.v1.ModelProfile;
import dev.longtake.v1.Precision;
import dev.longtake.v1.SamplingTask;
import dev.longtake.v1.WorkOrder;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.device.cpu.CpuDevice;
import dev.longtake.worker.engine.loading.OpenModel;
import dev.longtake.worker.order.ModelProfiles;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.FieldSource;

/** The same bits for every plan: branch groups x stages x sequence ranks, in every mode, for every model. */
class PlanMatrixTest {
  static final List<String> MODELS = ShardedEqualityTest.MODELS;

  private static final List<String> CAPTURED =
      List.of("final", "z_in/0", "z_out/1", "guided_pred/1", "model_out/2");

  @TempDir Path temporary = Path.of("");

  @ParameterizedTest
  @FieldSource("MODELS")
  void shouldGiveTheSameBitsForEveryPlan(String model) throws IOException {
    Path folder = ShardedEqualityTest.folder(model, temporary);
    RandomForward forward = RandomForward.of(folder);
    ModelProfile profile = profile(folder);
    check(folder, profile, forward.order(3, Precision.PRECISION_F32), plans(profile, 5));
  }

  @ParameterizedTest
  @FieldSource("MODELS")
  void shouldGiveTheSameBitsForPlansInBfloat16(String model) throws IOException {
    try (Device device = CpuDevice.open(1, 1 << 20)) {
      assumeTrue(device.supports(DType.BF16), "this processor has no bfloat16 products");
    }
    Path folder = ShardedEqualityTest.folder(model, temporary);
    RandomForward forward = RandomForward.of(folder);
    ModelProfile profile = profile(folder);
    check(folder, profile, forward.order(4, Precision.PRECISION_BF16), plans(profile, 3));
  }

  @Test
  void shouldSampleTheSameLatentsForEveryPlanWhenFramesAreKeptAndEdited() {
    checkSampling("stdit_v3", ShardedEqualityTest.sampling(31));
  }

  @Test
  void shouldSampleTheSameLatentsForEveryPlanWhenTheVarianceIsLearned() {
    Random random = new Random(41);
    SamplingTask task =
        SamplingTask.newBuilder()
            .setGeometry(RandomTasks.clip(5, 5, 7))
            .addPrompts(RandomTasks.text(random, 7, 32))
            .setAncestral(Ancestral.newBuilder().setSteps(3).setTimesteps(1000))
            .setGuidance(Guidance.newBuilder().setStrength(7).setGuidedChannels(3))
            .setSeed(8)
            .addAllCapture(CAPTURED)
            .build();
    checkSampling("stdit_v1", WorkOrder.newBuilder().setSampling(task));
  }

  @Test
  void shouldSampleTheSameLatentsForEveryPlanWhenThreeBranchesAreGuided() {
    Random random = new Random(43);
    ClipGeometry clip = RandomTasks.clip(3, 6, 4);
    SamplingTask task =
        SamplingTask.newBuilder()
            .setGeometry(clip)
            .addPrompts(RandomTasks.pooled(random, 5))
            .addNullConditions(RandomTasks.pooled(random, 3))
            .setGuidedFlow(GuidedFlow.newBuilder().setSteps(3).setShift(true))
            .setGuidance(
                Guidance.newBuilder()
                    .setStrength(7)
                    .setImage(ImageGuidance.newBuilder().setStrength(3).setTemporalScaling(true)))
            .setReferenceLatents(RandomForward.normal(random, 1, 5, 3, 6, 4))
            .setSeed(9)
            .addAllCapture(CAPTURED)
            .build();
    checkSampling("mmdit_v2_liger_unfused", WorkOrder.newBuilder().setSampling(task));
  }

  private static void checkSampling(String model, WorkOrder.Builder order) {
    Path folder = GoldenFolders.golden(model);
    List<ExecutionPlan> plans = plans(profile(folder), 3);
    Map<String, Captured> expected;
    try (ThreadGang alone = new ThreadGang(folder, 1, 1)) {
      expected = alone.run(order);
    }
    assertThat(expected).containsKey("final");
    int most = plans.stream().mapToInt(ExecutionPlan::workers).max().orElseThrow();
    try (ThreadGang gang = new ThreadGang(folder, most, 1)) {
      for (ExecutionPlan plan : plans) {
        ShardedEqualityTest.assertSameBits(gang.run(order, plan), expected, plan.toString());
        assertThat(gang.activationBytes()).as("left behind, %s", plan).isZero();
      }
      // Some ranks of a plan have seen the text with the same blocks, others with other ones.
      assertThat(gang.reusedTexts()).isPositive();
    }
  }

  static ModelProfile demoProfile() {
    return profile(GoldenFolders.demoModel());
  }

  static ModelProfile profile(Path folder) {
    try (OpenModel open = OpenModel.open(ModelFolder.open(folder))) {
      return ModelProfiles.of(open.description());
    }
  }

  private static void check(
      Path folder, ModelProfile profile, WorkOrder.Builder order, List<ExecutionPlan> plans) {
    int rows = order.getForward().getRowsCount();
    Map<String, Captured> expected;
    try (ThreadGang alone = new ThreadGang(folder, 1, 1)) {
      expected = alone.run(order);
    }
    assertThat(expected).containsKey("output").hasSizeGreaterThan(2);
    int most = plans.stream().mapToInt(ExecutionPlan::workers).max().orElseThrow();
    try (ThreadGang gang = new ThreadGang(folder, most, 1)) {
      for (ExecutionPlan plan : plans) {
        if (plan.branchGroups() <= rows) {
          ShardedEqualityTest.assertSameBits(gang.run(order, plan), expected, plan.toString());
          assertThat(gang.activationBytes()).as("left behind, %s", plan).isZero();
        }
      }
    }
    assertThat(Plans.of(Plans.message(plans.getLast()).build(), profile))
        .isEqualTo(plans.getLast());
  }

  /** Branches 1 to 2, stages 1 to 4, ranks 1 to {@code maxRanks}; modes, shares and micro-batches follow from a seed, every mode at least once. */
  static List<ExecutionPlan> plans(ModelProfile profile, int maxRanks) {
    Random random = new Random(17);
    List<SequenceMode> modes = modes(profile);
    List<ExecutionPlan> plans = new ArrayList<>();
    for (int groups = 1; groups <= 2; groups++) {
      for (int stages = 1; stages <= Math.min(4, profile.getBlocksCount()); stages++) {
        for (int ranks = 1; ranks <= maxRanks; ranks++) {
          List<SequenceMode> used =
              groups == 1 && stages == 1 ? modes : List.of(modes.get(random.nextInt(modes.size())));
          for (SequenceMode mode : used) {
            plans.add(
                new ExecutionPlan(
                    groups,
                    stages(profile.getBlocksCount(), stages),
                    ranks,
                    mode,
                    shares(random, ranks),
                    1 + random.nextInt(3)));
          }
        }
      }
    }
    return plans;
  }

  private static List<Range> stages(int blocks, int count) {
    Partition partition = new Partition(blocks, count);
    return IntStream.range(0, count).mapToObj(partition::of).toList();
  }

  private static List<Integer> shares(Random random, int ranks) {
    return random.nextBoolean()
        ? Collections.nCopies(ranks, 1)
        : random.ints(ranks, 1, 4).boxed().toList();
  }

  private static List<SequenceMode> modes(ModelProfile profile) {
    List<SequenceMode> modes = new ArrayList<>(List.of(SequenceMode.values()));
    if (Plans.hasAxis(profile, AttentionProfile.Axis.AXIS_FULL)) {
      modes.remove(SequenceMode.SWITCH);
    }
    if (Plans.reduces(profile)) {
      modes.removeIf(SequenceMode::splitsByPatch);
    }
    return modes;
  }
}
