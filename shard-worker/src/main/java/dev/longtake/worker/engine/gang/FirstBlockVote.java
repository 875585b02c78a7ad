package dev.longtake.worker.engine.gang;

import dev.longtake.worker.engine.Exchange;
import dev.longtake.worker.engine.exec.ChangeSums;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Whether a step takes over what the blocks behind the first one add: all ranks get the sums of those that hold the first block, 16 bytes
 * each, and come to the same decision. Owns its host memory.
 */
final class FirstBlockVote implements AutoCloseable {
  private final RankWork work;
  private final Exchange exchange;
  private final List<Integer> voters;
  private final boolean votes;
  private final Arena arena = Arena.ofShared();

  /** In order of the gang's ranks. */
  private final MemorySegment ballots;

  FirstBlockVote(RankWork work) {
    this.work = work;
    exchange = work.exchange(work.home());
    voters = work.share().ofFirstStage();
    votes = voters.contains(exchange.rank());
    ballots = arena.allocate(exchange.ranks() * bytes(), 64);
  }

  private static long bytes() {
    return 2L * Long.BYTES;
  }

  /**
   * Decides.
   *
   * @param own of this rank's tokens; of none on ranks without the first block
   */
  boolean reuses(ChangeSums own, double threshold, String place) {
    work.homeTrace().begin("exchange the first block's change");
    MemorySegment mine = ballot(exchange.rank());
    mine.setAtIndex(ValueLayout.JAVA_LONG, 0, own.difference());
    mine.setAtIndex(ValueLayout.JAVA_LONG, 1, own.before());
    @Nullable MemorySegment[] outgoing = new MemorySegment[exchange.ranks()];
    @Nullable MemorySegment[] incoming = new MemorySegment[exchange.ranks()];
    for (int peer : exchange.others()) {
      outgoing[peer] = votes ? mine : null;
      incoming[peer] = voters.contains(peer) ? ballot(peer) : null;
    }
    exchange.allToAll(outgoing, incoming, place + ", change of the first block");
    ChangeSums all = ChangeSums.NONE;
    for (int voter : voters) {
      MemorySegment ballot = ballot(voter);
      all =
          all.plus(
              new ChangeSums(
                  ballot.getAtIndex(ValueLayout.JAVA_LONG, 0),
                  ballot.getAtIndex(ValueLayout.JAVA_LONG, 1)));
    }
    work.homeTrace().pause();
    return all.isBelow(threshold);
  }

  private MemorySegment ballot(int rank) {
    return ballots.asSlice(rank * bytes(), bytes());
  }

  @Override
  public void close() {
    arena.close();
  }
}
