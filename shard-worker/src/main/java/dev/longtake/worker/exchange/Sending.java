package dev.longtake.worker.exchange;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.worker.exchange.wire.ChunkPlace;
import dev.longtake.worker.exchange.wire.OutgoingChunk;
import java.lang.foreign.MemorySegment;

/**
 * What is sent to one peer at one exchange point, taken apart chunk by chunk. One chunk is done when gRPC has it; several are done when
 * the peer has consumed them.
 */
final class Sending implements Transfer {
  private final Peer peer;
  private final MemorySegment source;
  private final ChunkPlace place;
  private final int chunkBytes;
  private final String what;
  private final PeerWait waited;
  private final long sinceNanos = System.nanoTime();

  // Held.
  private long readyBytes;
  private long takenBytes;
  private long handedOverBytes;
  private long handedOverNanos;

  Sending(
      JobRank self, Peer peer, MemorySegment source, int chunkBytes, String what, PeerWait waited) {
    this.peer = peer;
    this.source = source;
    this.chunkBytes = chunkBytes;
    this.what = what;
    this.waited = waited;
    this.place =
        new ChunkPlace(
            self.jobId(),
            self.attempt(),
            self.rank(),
            self.lane(),
            what,
            peer.nextSendPoint(),
            source.byteSize());
  }

  boolean isOneChunk() {
    return source.byteSize() <= chunkBytes;
  }

  /** Held. The first bytes are written, as many as said. */
  void ready(long bytes) {
    if (bytes < readyBytes || bytes > source.byteSize()) {
      throw new LongtakeException(
          ErrorCode.INTERNAL,
          "Expected %d to %d bytes to be ready for %s (%s), but got %d"
              .formatted(readyBytes, source.byteSize(), peer, what, bytes));
    }
    readyBytes = bytes;
  }

  /** Held. Everything is written. */
  void ready() {
    readyBytes = source.byteSize();
  }

  /** Held. No chunk has left. */
  boolean isAtStart() {
    return takenBytes == 0;
  }

  /** Held. The next chunk is written. */
  boolean isReady() {
    return !isTaken() && takenBytes + nextBytes() <= readyBytes;
  }

  /** Held. Every chunk has left, or is about to. */
  boolean isTaken() {
    return takenBytes == source.byteSize();
  }

  /** Held. The next chunk; a credit must have been taken before. */
  OutgoingChunk take(OutgoingStream by) {
    long bytes = nextBytes();
    var chunk =
        new OutgoingChunk(place, takenBytes, source, takenBytes, (int) bytes, by.payloadCopy());
    takenBytes += bytes;
    return chunk;
  }

  private long nextBytes() {
    return Math.min(chunkBytes, source.byteSize() - takenBytes);
  }

  /** Held. gRPC has copied a chunk. */
  void handedOver(OutgoingChunk chunk) {
    handedOverBytes += chunk.payloadBytes();
    if (handedOverBytes == source.byteSize()) {
      handedOverNanos = System.nanoTime();
    }
  }

  /** Held. Credits came back; when they are all there, the peer has taken what was sent. */
  void credited() {
    if (!isOneChunk() && isDone()) {
      waited.forTaking(handedOverNanos);
    }
  }

  @Override
  public boolean isDone() {
    return handedOverBytes == source.byteSize() && (isOneChunk() || peer.acknowledgedAll());
  }

  @Override
  public long patienceNanos() {
    return peer.patienceNanos(/* chunks= */ false, sinceNanos, this::awaited, what);
  }

  private String awaited() {
    return isTaken()
        ? "%d bytes to be taken by".formatted(source.byteSize())
        : "room for bytes %d to %d of %d at"
            .formatted(takenBytes, takenBytes + nextBytes(), source.byteSize());
  }
}
