package dev.longtake.worker.measure;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.v1.LinkTimes;
import dev.longtake.v1.Measured;
import dev.longtake.v1.WorkEvent;
import dev.longtake.v1.WorkOrder;
import dev.longtake.worker.engine.Exchange;
import dev.longtake.worker.engine.GangExchange;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Times the exchange between two workers, as jobs use it: the smallest message there and back for the latency, and large messages in
 * both directions at once for the bandwidth. Rounds go on for a while, since the first hundreds run in code that is not yet
 * compiled; of the later half the median counts. The first rank says before each round whether there is another.
 */
public final class LinkMeasurement {
  private static final long SMALL_NANOS = 300_000_000L;
  private static final long LARGE_NANOS = 900_000_000L;

  /** A slow link takes long enough for its rounds to be alike. */
  private static final int MIN_ROUNDS = 5;

  private static final int MAX_ROUNDS = 2000;
  private static final int SMALL_BYTES = 64;
  private static final long DEFAULT_LARGE_BYTES = 16L << 20;
  private static final long MAX_LARGE_BYTES = 1L << 30;

  private final Exchange exchange;
  private final WorkOrder order;

  /**
   * One end's measurement.
   *
   * @param gang of two, in the order's gang
   */
  public LinkMeasurement(GangExchange gang, WorkOrder order) {
    this.exchange = gang.lane(0);
    this.order = order;
  }

  /** Measures and tells; both ends run at the same time. */
  public void run(Consumer<WorkEvent> events) {
    if (exchange.ranks() != 2) {
      throw LongtakeException.invalidField(
          "gang", "Expected two workers to measure the link between, but got " + exchange.ranks());
    }
    long asked = order.getMeasureLink().getPayloadBytes();
    if (asked < 0 || asked > MAX_LARGE_BYTES) {
      throw LongtakeException.invalidField(
          "measure_link.payload_bytes",
          "Expected a payload of 0 to %d bytes, but got %d".formatted(MAX_LARGE_BYTES, asked));
    }
    long large = asked == 0 ? DEFAULT_LARGE_BYTES : asked;
    try (Arena arena = Arena.ofShared()) {
      MemorySegment out = arena.allocate(large, 64);
      MemorySegment in = arena.allocate(large, 64);
      double roundTrip = seconds(SMALL_NANOS, () -> pingPong(out, in));
      double swap = seconds(LARGE_NANOS, () -> swap(out, in));
      int peer = 1 - exchange.rank();
      events.accept(
          WorkEvent.newBuilder()
              .setMeasured(
                  Measured.newBuilder()
                      .setLink(
                          LinkTimes.newBuilder()
                              .setFromWorker(order.getGang(exchange.rank()))
                              .setToWorker(order.getGang(peer))
                              .setLatencySeconds(roundTrip / 2)
                              .setBytesPerSecond(large / Math.max(1e-9, swap - roundTrip / 2))))
              .build());
    }
  }

  /** Rank 0 sends and waits for the answer; rank 1 answers. */
  private void pingPong(MemorySegment out, MemorySegment in) {
    int peer = 1 - exchange.rank();
    MemorySegment ping = out.asSlice(0, SMALL_BYTES);
    MemorySegment pong = in.asSlice(0, SMALL_BYTES);
    if (exchange.rank() == 0) {
      exchange.send(peer, ping, "a small message of a measurement");
      exchange.receive(peer, pong, "a small message of a measurement");
    } else {
      exchange.receive(peer, pong, "a small message of a measurement");
      exchange.send(peer, ping, "a small message of a measurement");
    }
  }

  private void swap(MemorySegment out, MemorySegment in) {
    int peer = 1 - exchange.rank();
    @Nullable MemorySegment[] outgoing = new MemorySegment[2];
    @Nullable MemorySegment[] incoming = new MemorySegment[2];
    outgoing[peer] = out;
    incoming[peer] = in;
    exchange.allToAll(outgoing, incoming, "large messages of a measurement");
  }

  /** The median of the later half of as many rounds as there is time for. */
  private double seconds(long budgetNanos, Runnable round) {
    List<Double> rounds = new ArrayList<>();
    long begin = System.nanoTime();
    while (goesOn(
        rounds.size() < MIN_ROUNDS
            || (rounds.size() < MAX_ROUNDS && System.nanoTime() - begin < budgetNanos))) {
      long start = System.nanoTime();
      round.run();
      rounds.add((System.nanoTime() - start) / 1e9);
    }
    List<Double> later = new ArrayList<>(rounds.subList(rounds.size() / 2, rounds.size()));
    Collections.sort(later);
    return later.get(later.size() / 2);
  }

  /** The first rank decides, the other hears of it. */
  private boolean goesOn(boolean wanted) {
    String what = "whether a measurement goes on";
    try (Arena arena = Arena.ofShared()) {
      MemorySegment flag = arena.allocate(1);
      if (exchange.rank() == 0) {
        flag.set(ValueLayout.JAVA_BYTE, 0, (byte) (wanted ? 1 : 0));
        exchange.send(1, flag, what);
      } else {
        exchange.receive(0, flag, what);
      }
      return flag.get(ValueLayout.JAVA_BYTE, 0) != 0;
    }
  }
}
