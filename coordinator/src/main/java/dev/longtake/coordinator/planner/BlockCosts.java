package dev.longtake.coordinator.planner;

import dev.longtake.coordinator.planner.Machines.Device;
import dev.longtake.coordinator.planner.SplitWalk.Attend;
import dev.longtake.coordinator.planner.SplitWalk.Form;
import dev.longtake.coordinator.planner.SplitWalk.Split;
import dev.longtake.v1.AttentionProfile;
import dev.longtake.v1.KindTimes;

/**
 * Seconds that blocks take on one rank of a sequence group.
 *
 * <p>A worker's measured times say that a block takes {@code overhead + n (a + k b + t c)} for n tokens which attend to k tokens in all
 * its self-attentions and to t text tokens. A rank of a plan has n_q tokens; each of its attentions is counted with the tokens
 * that the rank has under the split of that attention and with the keys that they see: P within a frame (divided by r squared where
 * keys are reduced by r), F across frames, all of a row over all tokens. Where heads are exchanged the rank attends with C_q of C
 * columns for all tokens instead.
 */
final class BlockCosts {
  private static final int FLOAT_BYTES = 4;

  private final Workload workload;
  private final SplitWalk walk;
  private final RankShares shares;
  private final TokenGrid grid;
  private final double channels;
  // What travels of a stored byte: of activations, and of an attention's result.
  private final double wireShare;
  private final double backShare;

  BlockCosts(Workload workload, SplitWalk walk, RankShares shares) {
    this.workload = workload;
    this.walk = walk;
    this.shares = shares;
    grid = shares.grid();
    channels = workload.profile().getChannels();
    wireShare = workload.wireShare(FLOAT_BYTES);
    backShare = workload.wireShare(workload.productBytes());
  }

  /**
   * A block's computing.
   *
   * @param rows of the rank's batch
   * @param lanes parts that they are computed in, each with the overhead of a block
   */
  double compute(int form, Device device, int rank, long rows, int lanes) {
    Form block = walk.forms().get(form);
    KindTimes times = device.kind(block.profile().getKind());
    double ownTokens = shares.tokens(rank, block.end());
    double splitTokens = ownTokens;
    double pairs = 0;
    for (Attend attend : block.attends()) {
      double tokens = shares.tokens(rank, attend.split());
      splitTokens += tokens;
      boolean byHead = attend.conflicts() && walk.mode().exchangesHeads();
      pairs +=
          keys(attend.attention())
              * (byHead ? grid.tokens() * shares.headColumns(rank) / channels : tokens);
    }
    // Products run partly under one split and partly under another where it changes within a block.
    double tokens = splitTokens / (1 + block.attends().size());
    double perRow =
        tokens * times.getSecondsPerToken()
            + pairs * times.getSecondsPerTokenKey()
            + ownTokens * workload.textTokens() * textRate(times);
    return lanes * times.getOverheadSeconds() + rows * perRow;
  }

  /** Text in the sequence is among the keys already. */
  private double textRate(KindTimes times) {
    return workload.profile().getTextInSequence() ? 0 : times.getSecondsPerTokenText();
  }

  private double keys(AttentionProfile attention) {
    double reduction = Math.max(1, attention.getKeyValueReduction());
    return switch (attention.getAxis()) {
      case AXIS_TEMPORAL -> grid.frames();
      case AXIS_FULL -> grid.tokens();
      case AXIS_SPATIAL, AXIS_UNSPECIFIED, UNRECOGNIZED -> grid.patches() / (reduction * reduction);
    };
  }

  /** Embedding patches, on the first stage, and the final layer, on the last one. */
  double edge(Device device, int rank, long rows, int lanes, boolean first, boolean last) {
    double firstFlops = workload.profile().getFirstStageFlopsPerToken();
    double lastFlops = workload.profile().getLastStageFlopsPerToken();
    double share = firstFlops + lastFlops > 0 ? firstFlops / (firstFlops + lastFlops) : 0.5;
    double part = (first ? share : 0) + (last ? 1 - share : 0);
    double tokens = shares.tokens(rank, Split.FRAME);
    return part
        * (lanes * device.times().getEdgeOverheadSeconds()
            + rows * tokens * device.times().getEdgeSecondsPerToken());
  }

  /** A block's exchanges, nothing hiding them. */
  double exchange(int form, Device device, Peers.Sums peers, int rank, long rows, int lanes) {
    Form block = walk.forms().get(form);
    double latency = lanes * peers.latencySeconds();
    double staging = staging(device);
    double seconds =
        block.toPatch() * (latency + toPatch(peers, staging, rank, rows))
            + block.toFrame() * (latency + toFrame(peers, staging, rank, rows, channels));
    int conflicts = block.conflicts();
    if (conflicts == 0) {
      return seconds;
    }
    double tokens = rows * (double) shares.tokens(rank, walk.before(0));
    int others = shares.ranks() - 1;
    if (!walk.mode().exchangesHeads()) {
      double bytes = 2 * FLOAT_BYTES * channels * tokens;
      return seconds
          + conflicts * (latency + bytes * (wireShare * peers.ranks() + others * staging));
    }
    double columns = shares.headColumns(rank);
    double there =
        3 * FLOAT_BYTES * tokens * (wireShare * peers.columns() + staging * (channels - columns));
    double back =
        workload.productBytes()
            * columns
            * (backShare * rows * peers.tokens(grid, walk.before(0))
                + staging * (rows * (double) grid.tokens() - tokens));
    return seconds + conflicts * (2 * latency + there + back);
  }

  /** Out of the sender's device and into the receiver's, which happens at the same time as the other's. */
  private static double staging(Device device) {
    return 2 * device.times().getStagingSecondsPerByte();
  }

  private double toPatch(Peers.Sums peers, double staging, int rank, long rows) {
    double others = grid.patches() - shares.patches(rank);
    return FLOAT_BYTES
        * channels
        * rows
        * shares.frames(rank)
        * (wireShare * peers.patches() + staging * others);
  }

  private double toFrame(Peers.Sums peers, double staging, int rank, long rows, double columns) {
    double others = grid.frames() - shares.frames(rank);
    return FLOAT_BYTES
        * columns
        * rows
        * shares.patches(rank)
        * (wireShare * peers.frames() + staging * others);
  }

  /** Changes of the split outside of blocks: after embedding and after the final layer. */
  double edgeExchange(
      Device device,
      Peers.Sums peers,
      int rank,
      long rows,
      int lanes,
      boolean first,
      boolean last) {
    double seconds = 0;
    if (first && walk.switchesEmbedding()) {
      seconds += lanes * peers.latencySeconds() + toPatch(peers, staging(device), rank, rows);
    }
    if (last && walk.switchesPrediction()) {
      int columns = workload.profile().getPredictionColumns();
      seconds +=
          lanes * peers.latencySeconds() + toFrame(peers, staging(device), rank, rows, columns);
    }
    return seconds;
  }
}
