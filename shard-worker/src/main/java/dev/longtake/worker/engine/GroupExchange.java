package dev.longtake.worker.engine;

import java.lang.foreign.MemorySegment;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Some ranks of a larger exchange. */
final class GroupExchange implements Exchange {
  private final Exchange all;
  private final List<Integer> members;
  private final int rank;

  GroupExchange(Exchange all, List<Integer> members) {
    this.all = all;
    this.members = List.copyOf(members);
    this.rank = members.indexOf(all.rank());
    if (rank < 0) {
      throw new IllegalArgumentException(
          "Expected a group with rank %d, but got %s".formatted(all.rank(), members));
    }
  }

  @Override
  public int rank() {
    return rank;
  }

  @Override
  public int ranks() {
    return members.size();
  }

  @Override
  public ExchangePoint begin(
      @Nullable MemorySegment[] outgoing, @Nullable MemorySegment[] incoming, String what) {
    ExchangePoint point = all.begin(spread(outgoing), spread(incoming), what);
    return new ExchangePoint() {
      @Override
      public void ready(int peer, long bytes) {
        point.ready(members.get(peer), bytes);
      }

      @Override
      public long await() {
        return point.await();
      }

      @Override
      public void close() {
        point.close();
      }
    };
  }

  private @Nullable MemorySegment[] spread(@Nullable MemorySegment[] ofMembers) {
    @Nullable MemorySegment[] ofAll = new MemorySegment[all.ranks()];
    for (int member = 0; member < members.size(); member++) {
      ofAll[members.get(member)] = ofMembers[member];
    }
    return ofAll;
  }
}
