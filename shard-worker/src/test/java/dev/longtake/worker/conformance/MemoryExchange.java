package dev.longtake.worker.conformance;

import dev.longtake.worker.engine.Exchange;
import dev.longtake.worker.engine.ExchangePoint;
import dev.longtake.worker.engine.GangExchange;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** Exchanges between threads: a bounded queue for each ordered pair of ranks in each lane. */
public final class MemoryExchange implements GangExchange {
  private static final int QUEUED = 2;

  private record Link(int lane, int from, int to) {}

  private final int rank;
  private final int ranks;
  private final Map<Link, BlockingQueue<byte[]>> links;
  private final AtomicLongArray sentBytes;
  private final AtomicReference<@Nullable Throwable> failure;

  private MemoryExchange(
      int rank,
      int ranks,
      Map<Link, BlockingQueue<byte[]>> links,
      AtomicReference<@Nullable Throwable> failure) {
    this.rank = rank;
    this.ranks = ranks;
    this.links = links;
    this.failure = failure;
    this.sentBytes = new AtomicLongArray(ranks);
  }

  /** A gang of as many ranks. */
  public static List<MemoryExchange> gang(int ranks) {
    Map<Link, BlockingQueue<byte[]>> links = new ConcurrentHashMap<>();
    AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();
    List<MemoryExchange> gang = new ArrayList<>();
    for (int rank = 0; rank < ranks; rank++) {
      gang.add(new MemoryExchange(rank, ranks, links, failure));
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
  public Exchange lane(int lane) {
    return new Lane(lane);
  }

  @Override
  public long peakBytes() {
    return 0;
  }

  @Override
  public List<Long> sentBytesByRank() {
    return IntStream.range(0, ranks).mapToObj(sentBytes::get).toList();
  }

  @Override
  public void abort(Throwable cause) {
    failure.compareAndSet(null, cause);
  }

  private BlockingQueue<byte[]> link(int lane, int from, int to) {
    return links.computeIfAbsent(new Link(lane, from, to), _ -> new ArrayBlockingQueue<>(QUEUED));
  }

  private final class Lane implements Exchange {
    private final int lane;

    Lane(int lane) {
      this.lane = lane;
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
    public ExchangePoint begin(
        @Nullable MemorySegment[] outgoing, @Nullable MemorySegment[] incoming, String what) {
      return new ExchangePoint() {
        @Override
        public void ready(int peer, long bytes) {
          // Everything leaves at the end.
        }

        @Override
        public long await() {
          exchange(outgoing, incoming, what);
          return 0;
        }

        @Override
        public void close() {
          // Whoever leaves before aborts the gang.
        }
      };
    }

    private void exchange(
        @Nullable MemorySegment[] outgoing, @Nullable MemorySegment[] incoming, String what) {
      try {
        for (int peer = 0; peer < ranks; peer++) {
          MemorySegment out = outgoing[peer];
          if (peer != rank && out != null && out.byteSize() > 0) {
            send(peer, out.toArray(ValueLayout.JAVA_BYTE), what);
          }
        }
        for (int peer = 0; peer < ranks; peer++) {
          MemorySegment in = incoming[peer];
          if (peer != rank && in != null && in.byteSize() > 0) {
            take(peer, in, what);
          }
        }
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IllegalStateException("Interrupted at " + what, e);
      }
    }

    private void send(int peer, byte[] bytes, String what) throws InterruptedException {
      BlockingQueue<byte[]> link = link(lane, rank, peer);
      for (int tries = 0; !link.offer(bytes, 1, TimeUnit.SECONDS); tries++) {
        requireHope(tries, "Rank " + peer + " does not read at " + what);
      }
      sentBytes.addAndGet(peer, bytes.length);
    }

    private void take(int peer, MemorySegment in, String what) throws InterruptedException {
      BlockingQueue<byte[]> link = link(lane, peer, rank);
      byte[] bytes = link.poll(1, TimeUnit.SECONDS);
      for (int tries = 0; bytes == null; tries++) {
        requireHope(tries, "Rank " + peer + " sends nothing at " + what);
        bytes = link.poll(1, TimeUnit.SECONDS);
      }
      if (bytes.length != in.byteSize()) {
        throw new IllegalStateException("Rank " + peer + " sent the wrong thing at " + what);
      }
      MemorySegment.copy(MemorySegment.ofArray(bytes), 0, in, 0, bytes.length);
    }

    private void requireHope(int tries, String message) {
      if (failure.get() != null || tries >= 60) {
        throw new IllegalStateException(message, failure.get());
      }
    }
  }
}
