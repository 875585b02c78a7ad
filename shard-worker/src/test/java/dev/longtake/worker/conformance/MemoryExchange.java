package dev.longtake.worker.conformance;

import dev.longtake.worker.engine.Exchange;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** An exchange between threads: a bounded queue for each ordered pair of ranks. */
final class MemoryExchange implements Exchange {
  private static final int QUEUED = 2;

  private record Link(int from, int to) {}

  private final int rank;
  private final int ranks;
  private final Map<Link, BlockingQueue<byte[]>> links;
  private long sentBytes;

  private MemoryExchange(int rank, int ranks, Map<Link, BlockingQueue<byte[]>> links) {
    this.rank = rank;
    this.ranks = ranks;
    this.links = links;
  }

  static List<MemoryExchange> gang(int ranks) {
    Map<Link, BlockingQueue<byte[]>> links = new HashMap<>();
    for (int from = 0; from < ranks; from++) {
      for (int to = 0; to < ranks; to++) {
        links.put(new Link(from, to), new ArrayBlockingQueue<>(QUEUED));
      }
    }
    List<MemoryExchange> gang = new ArrayList<>();
    for (int rank = 0; rank < ranks; rank++) {
      gang.add(new MemoryExchange(rank, ranks, links));
    }
    return gang;
  }

  @Override
  public int rank() {
    return rank;
  }

  @Override
  public int ranks() {
    return ranks;
  }

  @Override
  public void allToAll(
      @Nullable MemorySegment[] outgoing, @Nullable MemorySegment[] incoming, String what) {
    try {
      for (int peer = 0; peer < ranks; peer++) {
        MemorySegment out = outgoing[peer];
        if (peer != rank && out != null && out.byteSize() > 0) {
          byte[] copy = out.toArray(ValueLayout.JAVA_BYTE);
          if (!link(rank, peer).offer(copy, 1, TimeUnit.MINUTES)) {
            throw new IllegalStateException("Rank " + peer + " does not read at " + what);
          }
          sentBytes += copy.length;
        }
      }
      for (int peer = 0; peer < ranks; peer++) {
        MemorySegment in = incoming[peer];
        if (peer != rank && in != null && in.byteSize() > 0) {
          byte[] bytes = link(peer, rank).poll(1, TimeUnit.MINUTES);
          if (bytes == null || bytes.length != in.byteSize()) {
            throw new IllegalStateException("Rank " + peer + " sent the wrong thing at " + what);
          }
          MemorySegment.copy(MemorySegment.ofArray(bytes), 0, in, 0, bytes.length);
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("Interrupted at " + what, e);
    }
  }

  private BlockingQueue<byte[]> link(int from, int to) {
    BlockingQueue<byte[]> link = links.get(new Link(from, to));
    if (link == null) {
      throw new IllegalArgumentException("Expected ranks of the gang, but got " + from + ", " + to);
    }
    return link;
  }

  @Override
  public long sentBytes() {
    return sentBytes;
  }

  @Override
  public void close() {}
}
