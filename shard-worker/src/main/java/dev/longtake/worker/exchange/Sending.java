package dev.longtake.worker.exchange;

import dev.longtake.worker.exchange.wire.ChunkPlace;
import dev.longtake.worker.exchange.wire.OutgoingChunk;
import java.lang.foreign.MemorySegment;

/** What is sent to one peer at one exchange point, taken apart chunk by chunk. For one thread at a time. */
final class Sending {
  private final Peer peer;
  private final MemorySegment source;
  private final ChunkPlace place;
  private final int chunkBytes;
  private long sentBytes;
  private long handedOverNanos;

  Sending(JobRank self, Peer peer, MemorySegment source, int chunkBytes, String what) {
    this.peer = peer;
    this.source = source;
    this.chunkBytes = chunkBytes;
    this.place =
        new ChunkPlace(self.jobId(), self.attempt(), what, peer.nextSendPoint(), source.byteSize());
  }

  Peer peer() {
    return peer;
  }

  boolean isComplete() {
    return sentBytes == source.byteSize();
  }

  /** Small enough for the thread that exchanges to send it by itself. */
  boolean isOneChunk() {
    return source.byteSize() <= chunkBytes;
  }

  private long nextBytes() {
    return Math.min(chunkBytes, source.byteSize() - sentBytes);
  }

  /** For errors. */
  String awaited() {
    return isComplete()
        ? "%d bytes to be taken by".formatted(source.byteSize())
        : "room for bytes %d to %d of %d at"
            .formatted(sentBytes, sentBytes + nextBytes(), source.byteSize());
  }

  /** Hands the next chunk to gRPC, which copies it; a credit must have been taken before. */
  void sendChunk(OutgoingStream stream) {
    long bytes = nextBytes();
    stream.send(
        new OutgoingChunk(place, sentBytes, source.asSlice(sentBytes, bytes), peer.sendCopy()));
    peer.addSentBytes(bytes);
    sentBytes += bytes;
    if (isComplete()) {
      handedOverNanos = System.nanoTime();
    }
  }

  /** When the last chunk was handed to gRPC. */
  long handedOverNanos() {
    return handedOverNanos;
  }
}
