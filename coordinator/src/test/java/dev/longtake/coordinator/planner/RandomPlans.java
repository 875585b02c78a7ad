package dev.longtake.coordinator.planner;

import dev.longtake.common.partition.Partition;
import dev.longtake.common.plan.ExecutionPlan;
import dev.longtake.common.plan.SequenceMode;
import dev.longtake.v1.AttentionProfile.Axis;
import dev.longtake.v1.ModelProfile;
import dev.longtake.v1.Precision;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/** Random models and plans from a seed. */
final class RandomPlans {
  private RandomPlans() {}

  /** A workload of a model that the mode fits. */
  static Workload workload(SplittableRandom random, SequenceMode mode) {
    int heads = 1 + random.nextInt(7);
    int channels = heads * (1 + random.nextInt(5));
    boolean joint = mode != SequenceMode.SWITCH && random.nextInt(3) == 0;
    ModelProfile.Builder profile =
        Models.edges(channels, heads)
            .setPatchFrames(1 + random.nextInt(2))
            .setPatchHeight(1 + random.nextInt(2))
            .setPatchWidth(1 + random.nextInt(3))
            .setTextChannels(random.nextInt(2) * 16)
            .setTextInSequence(joint)
            .setPredictionColumns(1 + random.nextInt(40));
    int blocks = 1 + random.nextInt(6);
    for (int i = 0; i < blocks; i++) {
      List<Axis> axes = new ArrayList<>();
      for (int a = random.nextInt(3); a > 0; a--) {
        Axis axis = random.nextBoolean() ? Axis.AXIS_SPATIAL : Axis.AXIS_TEMPORAL;
        axes.add(joint ? Axis.AXIS_FULL : axis);
      }
      profile.addBlocks(
          Models.block("k" + axes, channels, random.nextInt(2), 1, axes.toArray(new Axis[0])));
    }
    int samples = 1 + random.nextInt(2);
    return new Workload(
        profile.build(),
        Models.clip(1 + random.nextInt(9), 1 + random.nextInt(8), 1 + random.nextInt(8)),
        samples,
        samples * (1 + random.nextInt(2)),
        random.nextInt(9),
        random.nextBoolean() ? Precision.PRECISION_F32 : Precision.PRECISION_BF16,
        random.nextBoolean());
  }

  /** A plan of up to 2 x 3 x 5 workers. */
  static ExecutionPlan plan(SplittableRandom random, Workload workload, SequenceMode mode) {
    int blocks = workload.profile().getBlocksCount();
    int stages = 1 + random.nextInt(Math.min(3, blocks));
    int ranks = 1 + random.nextInt(5);
    List<Integer> shares = IntStream.range(0, ranks).mapToObj(_ -> 1 + random.nextInt(3)).toList();
    Partition ranges = new Partition(blocks, stages);
    return new ExecutionPlan(
        1 + random.nextInt(workload.rows()),
        IntStream.range(0, stages).mapToObj(ranges::of).toList(),
        ranks,
        mode,
        shares,
        1 + random.nextInt(2));
  }
}
