package dev.longtake.coordinator.planner;

import dev.longtake.v1.BlockProfile;
import dev.longtake.v1.BlockTimes;
import dev.longtake.v1.KindTimes;
import dev.longtake.v1.ModelProfile;
import dev.longtake.v1.Precision;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * Times of blocks from a device's rates, for devices that nobody measured: {@code n} tokens take their products' operations, and
 * {@code 4 C} operations for each pair of a query and a key (two products of C columns, a multiply-add being two operations). Beside
 * that a block reads its weights once and starts its kernels.
 */
public final class Rates {
  /** What one thread of a server's processor reaches in our products, as declared, not measured: operations per second. */
  static final double THREAD_FLOPS_F32 = 40e9;

  /** With instructions for bfloat16. */
  static final double THREAD_FLOPS_BF16 = 80e9;

  private static final double THREAD_BYTES_PER_SECOND = 5e9;
  private static final double COPY_BYTES_PER_SECOND = 4e9;

  /** Starting a block's kernels. */
  private static final double BLOCK_SECONDS = 50e-6;

  private Rates() {}

  /**
   * Times of a device with these rates.
   *
   * @param flopsPerSecond that it reaches
   * @param bytesPerSecond of its memory
   * @param stagingBytesPerSecond of copies between device and the exchange's memory
   */
  public static BlockTimes times(
      ModelProfile profile,
      Precision precision,
      double flopsPerSecond,
      double bytesPerSecond,
      double stagingBytesPerSecond) {
    var times =
        BlockTimes.newBuilder()
            .setPrecision(precision)
            .setEdgeSecondsPerToken(
                (profile.getFirstStageFlopsPerToken() + profile.getLastStageFlopsPerToken())
                    / flopsPerSecond)
            .setEdgeOverheadSeconds(BLOCK_SECONDS)
            .setStagingSecondsPerByte(1 / stagingBytesPerSecond);
    int productBytes = precision == Precision.PRECISION_BF16 ? 2 : 4;
    double pairSeconds = 4.0 * profile.getChannels() / flopsPerSecond;
    Map<String, BlockProfile> kinds =
        profile.getBlocksList().stream()
            .collect(Collectors.toMap(BlockProfile::getKind, block -> block, (a, _) -> a));
    kinds.forEach((kind, block) ->
        times.addKinds(
            KindTimes.newBuilder()
                .setKind(kind)
                .setOverheadSeconds(
                    BLOCK_SECONDS
                        + (productBytes * block.getReducibleParameters()
                                + 4 * block.getFloatParameters())
                            / bytesPerSecond)
                .setSecondsPerToken(block.getFlopsPerToken() / flopsPerSecond)
                .setSecondsPerTokenKey(pairSeconds)
                .setSecondsPerTokenText(block.getTextAttentions() * pairSeconds)));
    return times.build();
  }

  /** Times of a worker that measured none. */
  static BlockTimes declared(ModelProfile profile, Precision precision, int threads) {
    int working = Math.max(1, threads);
    double flops = precision == Precision.PRECISION_BF16 ? THREAD_FLOPS_BF16 : THREAD_FLOPS_F32;
    return times(
        profile,
        precision,
        working * flops,
        working * THREAD_BYTES_PER_SECOND,
        COPY_BYTES_PER_SECOND);
  }
}
