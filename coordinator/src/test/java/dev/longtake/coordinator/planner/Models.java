package dev.longtake.coordinator.planner;

import dev.longtake.common.partition.Grain;
import dev.longtake.v1.AttentionProfile;
import dev.longtake.v1.AttentionProfile.Axis;
import dev.longtake.v1.BlockProfile;
import dev.longtake.v1.BlockTimes;
import dev.longtake.v1.ClipGeometry;
import dev.longtake.v1.ModelProfile;
import dev.longtake.v1.Precision;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Optional;

/** Models, workloads and clusters of tests. */
final class Models {
  private Models() {}

  /** Pairs of spatial and temporal blocks as Open-Sora 1.2 has them. */
  static ModelProfile stdit3(int channels, int heads, int pairs) {
    var profile = edges(channels, heads).setTextChannels(4096);
    for (int i = 0; i < pairs; i++) {
      profile.addBlocks(block("spatial_blocks", channels, 1, 1, Axis.AXIS_SPATIAL));
      profile.addBlocks(block("temporal_blocks", channels, 1, 1, Axis.AXIS_TEMPORAL));
    }
    return profile.build();
  }

  static ModelProfile openSora12() {
    return stdit3(1152, 16, 28);
  }

  /** Blocks over text and patches as one sequence. */
  static ModelProfile joint(int channels, int heads, int blocks) {
    var profile =
        edges(channels, heads)
            .setTextChannels(64)
            .setTextInSequence(true)
            .setWholeColumns(5 * channels)
            .setPieceColumns(0)
            .setHiddenColumns(5 * channels);
    for (int i = 0; i < blocks; i++) {
      profile.addBlocks(block("single_blocks", channels, 0, 1, Axis.AXIS_FULL));
    }
    return profile.build();
  }

  static ModelProfile.Builder edges(int channels, int heads) {
    return ModelProfile.newBuilder()
        .setChannels(channels)
        .setHeads(heads)
        .setPredictionColumns(32)
        .setPatchFrames(1)
        .setPatchHeight(2)
        .setPatchWidth(2)
        .setPieceColumns(5 * channels)
        .setLatentChannels(4)
        .setOutputChannels(8)
        .setFirstStageParameters(17L * channels)
        .setLastStageParameters(35L * channels)
        .setSharedParameters(10L * channels * channels)
        .setFirstStageFlopsPerToken(32L * channels)
        .setLastStageFlopsPerToken(64L * channels);
  }

  static BlockProfile block(
      String kind, int channels, int textAttentions, int reduction, Axis... axes) {
    long products = 12L + 4L * textAttentions;
    return BlockProfile.newBuilder()
        .setKind(kind)
        .addAllAttentions(
            Arrays.stream(axes)
                .map(axis ->
                    AttentionProfile.newBuilder()
                        .setAxis(axis)
                        .setKeyValueReduction(reduction)
                        .build())
                .toList())
        .setTextAttentions(textAttentions)
        .setReducibleParameters(products * channels * channels)
        .setFloatParameters(19L * channels)
        .setFlopsPerToken(2 * (products - 2L * textAttentions) * channels * channels)
        .build();
  }

  static ClipGeometry clip(int frames, int height, int width) {
    return ClipGeometry.newBuilder()
        .setLatentFrames(frames)
        .setLatentHeight(height)
        .setLatentWidth(width)
        .build();
  }

  /** One sample with guidance, in float32. */
  static Workload workload(ModelProfile profile, ClipGeometry clip) {
    return new Workload(profile, clip, 1, 2, 20, Precision.PRECISION_F32, false);
  }

  /** A device that reaches so many operations per second and does nothing else. */
  static BlockTimes times(Workload workload, double flopsPerSecond) {
    return Rates.times(workload.profile(), workload.precision(), flopsPerSecond, 1e15, 1e15);
  }

  /** Measured workers, each alone on a host, with the same link between any two. */
  static ClusterView cluster(
      Workload workload, double bytesPerSecond, long memoryBytes, double... flopsPerSecond) {
    List<WorkerView> workers = new ArrayList<>();
    List<Integer> nodes = new ArrayList<>();
    for (double flops : flopsPerSecond) {
      String id = "w" + workers.size();
      nodes.add(workers.size());
      workers.add(
          new WorkerView(
              id, id, 1, 1, Grain.WHOLE, "cpu", memoryBytes, Optional.of(times(workload, flops))));
    }
    var link = new TierLinks.Link(bytesPerSecond, 10e-6);
    return new ClusterView(
        workers, new TierLinks(nodes, Collections.nCopies(nodes.size(), link), link));
  }
}
