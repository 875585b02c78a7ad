package dev.longtake.worker.exchange;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.v1.ExchangeChunk;
import java.lang.foreign.MemorySegment;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/** What one peer sends at one exchange point, put together chunk by chunk. Used by the receiving thread only. */
final class Assembly {
  private final JobRank self;
  private final Peer peer;
  private final MemorySegment target;
  private final long point;
  private final String what;
  private long receivedBytes;
  private @Nullable ExchangeChunk next;

  Assembly(JobRank self, Peer peer, MemorySegment target, long point, String what) {
    this.self = self;
    this.peer = peer;
    this.target = target;
    this.point = point;
    this.what = what;
  }

  Peer peer() {
    return peer;
  }

  /** Nothing was placed. */
  boolean isEmpty() {
    return receivedBytes == 0;
  }

  boolean isComplete() {
    return receivedBytes == target.byteSize();
  }

  String awaited() {
    return "bytes %d to %d from".formatted(receivedBytes, target.byteSize());
  }

  /** With the session's lock held: takes the next chunk from the peer's inbox, if there is one. */
  boolean poll() {
    next = peer.pollChunk();
    return next != null;
  }

  /**
   * Copies the chunk that was taken into its place.
   *
   * @throws LongtakeException CHECKSUM_MISMATCH; INTERNAL when it is not the chunk that must come now
   */
  void place() {
    ExchangeChunk chunk = next;
    if (chunk == null) {
      throw new IllegalStateException("Expected a chunk to be taken first");
    }
    next = null;
    int size = chunk.getPayload().size();
    boolean expected =
        chunk.getPoint() == point
            && chunk.getOffsetBytes() == receivedBytes
            && chunk.getTotalBytes() == target.byteSize()
            && size > 0
            && size <= target.byteSize() - receivedBytes;
    if (!expected) {
      throw new LongtakeException(
          ErrorCode.INTERNAL,
          "Expected point %d, byte %d of %d from %s (%s, %s), but got point %d, byte %d of %d with %d bytes; the ranks don't run the same program"
              .formatted(
                  point,
                  receivedBytes,
                  target.byteSize(),
                  peer,
                  self,
                  what,
                  chunk.getPoint(),
                  chunk.getOffsetBytes(),
                  chunk.getTotalBytes(),
                  size));
    }
    MemorySegment part = target.asSlice(receivedBytes, size);
    part.copyFrom(MemorySegment.ofBuffer(chunk.getPayload().asReadOnlyByteBuffer()));
    var checksum = new CRC32C();
    checksum.update(part.asByteBuffer());
    if ((int) checksum.getValue() != chunk.getCrc32C()) {
      throw new LongtakeException(
          ErrorCode.CHECKSUM_MISMATCH,
          "Expected bytes %d to %d from %s (%s, %s) with checksum %08x, but what came has %08x"
              .formatted(
                  receivedBytes,
                  receivedBytes + size,
                  peer,
                  self,
                  what,
                  chunk.getCrc32C(),
                  (int) checksum.getValue()));
    }
    receivedBytes += size;
  }
}
