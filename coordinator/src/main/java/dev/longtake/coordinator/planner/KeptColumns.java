package dev.longtake.coordinator.planner;

import dev.longtake.common.partition.Range;
import dev.longtake.common.stepcache.Reusable;
import dev.longtake.common.stepcache.StepCacheMode;
import dev.longtake.v1.AttentionProfile;
import dev.longtake.v1.AttentionProfile.Axis;
import dev.longtake.v1.BlockProfile;
import dev.longtake.v1.ModelProfile;
import java.util.Set;

/**
 * Bytes that a step cache keeps of each token: of every operation that steps take over, C values for an attention and the hidden layer's for
 * an MLP, in the type of the products; with a first-block cache C values in float32 on every stage, and twice more on the first.
 */
final class KeptColumns {
  private final int firstBlockBytes;

  /** Of the operations of the blocks before each block. */
  private final long[] operationBytes;

  KeptColumns(Workload workload) {
    ModelProfile profile = workload.profile();
    StepCacheMode mode = workload.stepCache();
    firstBlockBytes = mode.isFirstBlock() ? Float.BYTES * profile.getChannels() : 0;
    operationBytes = new long[profile.getBlocksCount() + 1];
    for (int block = 0; block < profile.getBlocksCount(); block++) {
      operationBytes[block + 1] =
          operationBytes[block]
              + workload.productBytes()
                  * columns(profile.getBlocks(block), profile.getChannels(), mode.operations());
    }
  }

  private static long columns(BlockProfile block, long channels, Set<Reusable> operations) {
    long columns = operations.contains(Reusable.MLP) ? block.getMlpColumns() : 0;
    if (operations.contains(Reusable.CROSS)) {
      columns += block.getTextAttentions() * channels;
    }
    for (AttentionProfile attention : block.getAttentionsList()) {
      boolean isTemporal = attention.getAxis() == Axis.AXIS_TEMPORAL;
      if (operations.contains(isTemporal ? Reusable.TEMPORAL : Reusable.SPATIAL)) {
        columns += channels;
      }
    }
    return columns;
  }

  /** Of a token, on a stage with these blocks. */
  long bytes(Range blocks) {
    return operationBytes[blocks.end()]
        - operationBytes[blocks.start()]
        + (blocks.start() == 0 ? 3L : 1L) * firstBlockBytes;
  }
}
