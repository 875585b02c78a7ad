package dev.longtake.coordinator;

import dev.longtake.v1.AttentionProfile;
import dev.longtake.v1.BlockProfile;
import dev.longtake.v1.BlockTimes;
import dev.longtake.v1.KindTimes;
import dev.longtake.v1.ModelProfile;

/** What fake workers say of the demo model, more or less. */
final class TestModel {
  static final int BLOCKS = 4;

  private TestModel() {}

  static ModelProfile profile() {
    ModelProfile.Builder profile =
        ModelProfile.newBuilder()
            .setChannels(64)
            .setHeads(4)
            .setPredictionColumns(32)
            .setPatchFrames(1)
            .setPatchHeight(2)
            .setPatchWidth(2)
            .setTextChannels(2)
            .setFirstStageParameters(5_000)
            .setLastStageParameters(5_000)
            .setSharedParameters(10_000)
            .setPieceColumns(320)
            .setOutputChannels(8)
            .setLatentChannels(4)
            .setFirstStageFlopsPerToken(2_048)
            .setLastStageFlopsPerToken(4_096);
    for (int block = 0; block < BLOCKS; block++) {
      boolean spatial = block % 2 == 0;
      profile.addBlocks(
          BlockProfile.newBuilder()
              .setKind(spatial ? "spatial_blocks" : "temporal_blocks")
              .addAttentions(
                  AttentionProfile.newBuilder()
                      .setAxis(
                          spatial
                              ? AttentionProfile.Axis.AXIS_SPATIAL
                              : AttentionProfile.Axis.AXIS_TEMPORAL))
              .setTextAttentions(1)
              .setReducibleParameters(57_000)
              .setFloatParameters(1_000)
              .setFlopsPerToken(114_000));
    }
    return profile.build();
  }

  static BlockTimes times() {
    BlockTimes.Builder times =
        BlockTimes.newBuilder().setEdgeSecondsPerToken(1e-7).setEdgeOverheadSeconds(1e-4);
    for (String kind : new String[] {"spatial_blocks", "temporal_blocks"}) {
      times.addKinds(
          KindTimes.newBuilder()
              .setKind(kind)
              .setOverheadSeconds(1e-4)
              .setSecondsPerToken(1e-6)
              .setSecondsPerTokenKey(1e-9));
    }
    return times.build();
  }
}
