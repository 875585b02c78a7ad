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
 * in that of their offsets. Used by the receiving thread only.
 */
final class Assembly {
  private final JobRank self;
  private final Peer peer;
  private final MemorySegment target;
  private final long point;
  private final String what;
  // What is complete from the start, and what came ahead of something before it: offsets and sizes.
  private long contiguousBytes;
  private final TreeMap<Long, Integer> ahead = new TreeMap<>();
  private boolean isEmpty = true;

  Assembly(JobRank self, Peer peer, MemorySegment target, String what) {
    this.self = self;
    this.peer = peer;
    this.target = target;
    this.point = peer.nextReceivePoint();
    this.what = what;
  }

  Peer peer() {
    return peer;
  }

  /** Nothing was placed. */
  boolean isEmpty() {
    return isEmpty;
  }

  boolean isComplete() {
    return contiguousBytes == target.byteSize();
  }

  /** For errors. */
  String awaited() {
    return "bytes %d to %d from".formatted(contiguousBytes, target.byteSize());
  }

  /**
   * Copies a chunk into its place.
   *
   * @throws LongtakeException CHECKSUM_MISMATCH; INTERNAL when it is none of those that must come now
   */
  void place(IncomingChunk chunk, PayloadCopy copy) {
    ChunkHead head = chunk.head();
    if (!isExpected(head)) {
      throw new LongtakeException(
          ErrorCode.INTERNAL,
          "Expected a part of point %d with %d bytes from %s (%s, %s), but got bytes %d to %d of point %d with %d bytes (job %s, attempt %d, %s), or got them twice; the ranks don't run the same program"
              .formatted(
                  point,
                  target.byteSize(),
                  peer,
                  self,
                  what,
                  head.offsetBytes(),
                  head.offsetBytes() + head.payloadBytes(),
                  head.point(),
                  head.totalBytes(),
                  head.jobId(),
                  head.attempt(),
                  head.place()));
    }
    if (!chunk.copyTo(target.asSlice(head.offsetBytes(), head.payloadBytes()), copy)) {
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
    isEmpty = false;
    note(head.offsetBytes(), head.payloadBytes());
  }

  private boolean isExpected(ChunkHead head) {
    long offset = head.offsetBytes();
    int size = head.payloadBytes();
    return head.jobId().equals(self.jobId())
        && head.attempt() == self.attempt()
        && head.point() == point
        && head.totalBytes() == target.byteSize()
        && size > 0
        && offset >= contiguousBytes
        && offset <= target.byteSize() - size
        && isApart(offset, size);
  }

  /** From those that came ahead of others. */
  private boolean isApart(long offset, int size) {
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
