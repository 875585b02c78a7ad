package dev.longtake.worker.exchange;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.worker.exchange.wire.ChunkHead;
import dev.longtake.worker.exchange.wire.IncomingChunk;
import dev.longtake.worker.exchange.wire.PayloadCopy;
import java.lang.foreign.MemorySegment;
import java.util.Map;
import java.util.TreeMap;

/**
 * What one peer sends at one exchange point, put together chunk by chunk. Over several connections they come in any order, but mostly
 * in that of their offsets. A chunk is claimed with the lock held, and copied into its place without it.
 */
final class Receiving implements Transfer {
  private final JobRank self;
  private final Peer peer;
  private final MemorySegment target;
  private final long point;
  private final String what;
  private final PeerWait waited;
  private final long sinceNanos = System.nanoTime();

  // Held. What is claimed from the start, and what came ahead of something before it: offsets and
  // sizes.
  private long contiguousBytes;
  private final TreeMap<Long, Integer> ahead = new TreeMap<>();
  private long placedBytes;
  private long lastArrivedNanos;

  Receiving(JobRank self, Peer peer, MemorySegment target, String what, PeerWait waited) {
    this.self = self;
    this.peer = peer;
    this.target = target;
    this.point = peer.nextReceivePoint();
    this.what = what;
    this.waited = waited;
  }

  /** Held. Every byte is claimed: what comes now belongs to a later point. */
  boolean isClaimed() {
    return contiguousBytes == target.byteSize();
  }

  @Override
  public boolean isDone() {
    return placedBytes == target.byteSize();
  }

  @Override
  public long patienceNanos() {
    return peer.patienceNanos(/* chunks= */ true, sinceNanos, this::awaited, what);
  }

  private String awaited() {
    return "bytes %d to %d from".formatted(contiguousBytes, target.byteSize());
  }

  /**
   * Held. Takes in a chunk, which is then to be copied.
   *
   * @throws LongtakeException INTERNAL when it is none of those that must come now
   */
  void claim(IncomingChunk chunk) {
    ChunkHead head = chunk.head();
    if (!isExpected(head)) {
      throw new LongtakeException(
          ErrorCode.INTERNAL,
          "Expected a part of point %d with %d bytes from %s (%s, %s) in lane %d, but got bytes %d to %d of point %d with %d bytes (job %s, attempt %d, rank %d, lane %d, %s), or got them twice; the ranks don't run the same program"
              .formatted(
                  point,
                  target.byteSize(),
                  peer,
                  self,
                  what,
                  self.lane(),
                  head.offsetBytes(),
                  head.offsetBytes() + head.payloadBytes(),
                  head.point(),
                  head.totalBytes(),
                  head.jobId(),
                  head.attempt(),
                  head.fromRank(),
                  head.lane(),
                  head.place()));
    }
    if (contiguousBytes == 0 && ahead.isEmpty()) {
      waited.forFirstBytes(chunk.arrivedNanos());
    }
    time(chunk);
    note(head.offsetBytes(), head.payloadBytes());
  }

  /** When the first chunk left is not known, so it only starts the clock; what came before this point has waited for it. */
  private void time(IncomingChunk chunk) {
    long arrivedNanos = chunk.arrivedNanos();
    if (lastArrivedNanos != 0 && arrivedNanos - lastArrivedNanos > 0) {
      peer.link().receivedIn(arrivedNanos - lastArrivedNanos, chunk.head().payloadBytes());
    }
    lastArrivedNanos = arrivedNanos - sinceNanos > 0 ? arrivedNanos : sinceNanos;
  }

  /**
   * Not held. Copies a claimed chunk into its place.
   *
   * @throws LongtakeException CHECKSUM_MISMATCH
   */
  void copy(IncomingChunk chunk, PayloadCopy copy) {
    ChunkHead head = chunk.head();
    if (!chunk.copyTo(target.asSlice(head.offsetBytes(), head.payloadBytes()), copy)) {
      peer.link().checksumFailed();
      throw new LongtakeException(
          ErrorCode.CHECKSUM_MISMATCH,
          "Expected bytes %d to %d from %s (%s, %s) with checksum %08x, but what came has %08x"
              .formatted(
                  head.offsetBytes(),
                  head.offsetBytes() + head.payloadBytes(),
                  peer,
                  self,
                  what,
                  chunk.sentChecksum(),
                  chunk.checksum()));
    }
  }

  /** Held. A claimed chunk is in its place. */
  void placed(IncomingChunk chunk) {
    placedBytes += chunk.head().payloadBytes();
  }

  private boolean isExpected(ChunkHead head) {
    long offset = head.offsetBytes();
    int size = head.payloadBytes();
    return head.jobId().equals(self.jobId())
        && head.attempt() == self.attempt()
        && head.fromRank() == peer.rank()
        && head.lane() == self.lane()
        && head.point() == point
        && head.totalBytes() == target.byteSize()
        && size > 0
        && offset >= contiguousBytes
        && offset <= target.byteSize() - size
        && isApart(offset, size);
  }

  /** From those that came ahead of others. */
  private boolean isApart(long offset, int size) {
    if (ahead.isEmpty()) {
      return true;
    }
    Map.Entry<Long, Integer> before = ahead.floorEntry(offset);
    Long after = ahead.higherKey(offset);
    return (before == null || before.getKey() + before.getValue() <= offset)
        && (after == null || after >= offset + size);
  }

  private void note(long offset, int size) {
    if (offset != contiguousBytes) {
      ahead.put(offset, size);
      return;
    }
    contiguousBytes += size;
    Map.Entry<Long, Integer> next = ahead.firstEntry();
    while (next != null && next.getKey() == contiguousBytes) {
      contiguousBytes += next.getValue();
      ahead.pollFirstEntry();
      next = ahead.firstEntry();
    }
  }
}
