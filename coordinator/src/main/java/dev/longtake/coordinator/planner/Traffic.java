package dev.longtake.coordinator.planner;

import dev.longtake.common.partition.Range;
import dev.longtake.common.plan.ExecutionPlan;
import dev.longtake.common.plan.ExecutionPlan.Place;
import dev.longtake.coordinator.planner.SplitWalk.Split;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Payload bytes of one denoising step, exact: those that the exchange's streams count. Everything is stored as float32 except what an
 * attention returns to the owners of its tokens, which has the type of the products; below, nothing is lost on the way. With a lossy
 * format a row of c values has {@link dev.longtake.common.plan.WireFormat#rowBytes} instead of 4 c: a token's channels are one, in each
 * exchange of heads those of a peer's heads, keys and values one each. Latents and predictions are never lossy.
 *
 * <p>With R rows in a branch group, F frames of P patches, C channels and rank q's shares f_q, p_q, C_q (columns of its heads) and n_q
 * (tokens of one row), a rank sends to a peer p
 *
 * <ul>
 *   <li>frames to patches: the peer's patches of its own frames, {@code R f_q p_p C 4}; over all peers {@code R f_q (P - p_q) C 4},
 *       because the patches of all ranks are P;
 *   <li>patches to frames: {@code R f_p p_q C 4}; over all peers {@code R p_q (F - f_q) C 4};
 *   <li>heads: q, k and v of its tokens in the peer's heads, {@code R n_q 3 C_p 4}, and its heads' result for the peer's tokens,
 *       {@code R n_p C_q w} with w the bytes of a product's value; over all peers {@code R n_q 3 (C - C_q) 4 + R (N - n_q) C_q w};
 *   <li>gather: keys and values of its tokens, {@code R n_q 2 C 4}; over all N - 1 peers as often.
 * </ul>
 *
 * <p>Between stages the residual stream goes on as it is, {@code R n_q C 4}; the last stage sends the next latents back to the
 * first; and the last stages of branch groups send each other their rows' predictions.
 */
final class Traffic {
  private static final int FLOAT_BYTES = 4;

  private final Workload workload;
  private final ExecutionPlan plan;
  private final SplitWalk walk;
  private final RankShares shares;
  private final TokenGrid grid;
  private final long channels;
  private final List<Range> rowsOfGroups;
  // Of a token in the heads of all ranks.
  private final long headBytes;

  Traffic(Workload workload, ExecutionPlan plan, SplitWalk walk, RankShares shares) {
    this.workload = workload;
    this.plan = plan;
    this.walk = walk;
    this.shares = shares;
    grid = shares.grid();
    channels = workload.profile().getChannels();
    headBytes =
        IntStream.range(0, shares.ranks())
            .mapToLong(rank -> workload.wireBytes(1, shares.headColumns(rank)))
            .sum();
    rowsOfGroups =
        IntStream.range(0, plan.branchGroups())
            .mapToObj(group -> plan.rowsOf(workload.rows(), group))
            .toList();
  }

  /** What a worker sends in a step, to all others. */
  long sent(int rank) {
    Place place = plan.place(rank);
    long bytes = withinSequence(place);
    if (!plan.isLastStage(place)) {
      return bytes + boundary(place);
    }
    if (plan.stages().size() > 1) {
      bytes += latents(place);
    }
    return bytes + (plan.branchGroups() - 1) * predictions(place);
  }

  /** What a worker sends to another in a step; nothing to itself. */
  long between(int from, int to) {
    Place a = plan.place(from);
    Place b = plan.place(to);
    if (from == to) {
      return 0;
    }
    if (a.branchGroup() != b.branchGroup()) {
      boolean meet =
          plan.isLastStage(a) && plan.isLastStage(b) && a.sequenceRank() == b.sequenceRank();
      return meet ? predictions(a) : 0;
    }
    if (a.stage() == b.stage()) {
      return toPeer(a, b.sequenceRank());
    }
    if (a.sequenceRank() != b.sequenceRank()) {
      return 0;
    }
    long bytes = b.stage() == a.stage() + 1 ? boundary(a) : 0;
    return bytes + (plan.isLastStage(a) && b.stage() == 0 ? latents(a) : 0);
  }

  /** Of a token's part of what an attention returns. */
  private long productRow(long columns) {
    return workload.wireFormat().rowBytes(columns, workload.productBytes());
  }

  private long rows(Place place) {
    return rowsOfGroups.get(place.branchGroup()).size();
  }

  private long withinSequence(Place place) {
    int ranks = plan.sequenceRanks();
    if (ranks == 1) {
      return 0;
    }
    int rank = place.sequenceRank();
    long rows = rows(place);
    long frames = shares.frames(rank);
    long patches = shares.patches(rank);
    long toPatch = toPatch(place) * rows * frames * (grid.patches() - patches);
    long toFrame = rows * patches * (grid.frames() - frames);
    long bytes =
        workload.wireBytes(toPatch + toFrames(place) * toFrame, channels)
            + workload.wireBytes(toFrame, predicted(place));
    long conflicts = conflicts(place);
    if (conflicts == 0) {
      return bytes;
    }
    long tokens = rows * shares.tokens(rank, walk.before(0));
    if (walk.mode().exchangesHeads()) {
      long columns = shares.headColumns(rank);
      long others = rows * grid.tokens() - tokens;
      return bytes
          + conflicts
              * (3 * tokens * (headBytes - workload.wireBytes(1, columns))
                  + others * productRow(columns));
    }
    return bytes + conflicts * (ranks - 1) * workload.wireBytes(2 * tokens, channels);
  }

  private long toPeer(Place place, int peer) {
    int rank = place.sequenceRank();
    long rows = rows(place);
    long toPatch = toPatch(place) * rows * shares.frames(rank) * shares.patches(peer);
    long toFrame = rows * shares.frames(peer) * shares.patches(rank);
    long bytes =
        workload.wireBytes(toPatch + toFrames(place) * toFrame, channels)
            + workload.wireBytes(toFrame, predicted(place));
    long conflicts = conflicts(place);
    if (conflicts == 0) {
      return bytes;
    }
    long tokens = rows * shares.tokens(rank, walk.before(0));
    if (walk.mode().exchangesHeads()) {
      return bytes
          + conflicts
              * (workload.wireBytes(3 * tokens, shares.headColumns(peer))
                  + rows
                      * shares.tokens(peer, walk.before(0))
                      * productRow(shares.headColumns(rank)));
    }
    return bytes + conflicts * workload.wireBytes(2 * tokens, channels);
  }

  private Range blocks(Place place) {
    return plan.stages().get(place.stage());
  }

  private long toPatch(Place place) {
    boolean embeds = plan.isFirstStage(place) && walk.switchesEmbedding();
    return (long) walk.toPatch(blocks(place)) + (embeds ? 1 : 0);
  }

  private long toFrames(Place place) {
    return walk.toFrame(blocks(place));
  }

  private long conflicts(Place place) {
    return walk.conflicts(blocks(place));
  }

  /** Columns of the prediction where it changes its split. */
  private long predicted(Place place) {
    return plan.isLastStage(place) && walk.switchesPrediction()
        ? workload.profile().getPredictionColumns()
        : 0;
  }

  /** From one stage to the next, by one worker. */
  long boundary(Place place) {
    Split split = walk.before(blocks(place).end());
    return workload.wireBytes(rows(place) * shares.tokens(place.sequenceRank(), split), channels);
  }

  /** From the last stage to the first, by one worker. */
  long latents(Place place) {
    return FLOAT_BYTES
        * (long) workload.samples()
        * workload.profile().getLatentChannels()
        * latentsPerChannel(place);
  }

  /** From one branch group to another, by one worker. */
  long predictions(Place place) {
    Range rows = rowsOfGroups.get(place.branchGroup());
    long prompts =
        workload.learnedVariance()
            ? Math.max(0, Math.min(rows.end(), workload.samples()) - rows.start())
            : 0;
    long rowChannels =
        prompts * workload.profile().getOutputChannels()
            + (rows.size() - prompts) * workload.profile().getLatentChannels();
    return FLOAT_BYTES * rowChannels * latentsPerChannel(place);
  }

  private long latentsPerChannel(Place place) {
    return shares.latentFrames(place.sequenceRank()) * grid.latentsPerFrame();
  }
}
