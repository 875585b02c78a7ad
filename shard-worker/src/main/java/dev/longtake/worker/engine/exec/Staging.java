package dev.longtake.worker.engine.exec;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Host memory that activations pass through on their way to peers and from them, one piece for each direction, shared by all
 * exchanges of a lane because they come one after the other. Owns its memory.
 */
final class Staging implements AutoCloseable {
  private final Arena arena = Arena.ofShared();
  private final MemorySegment outgoing;
  private final MemorySegment incoming;
  private long outgoingUsed;
  private long incomingUsed;

  /** Most bytes that one exchange sends, and receives. */
  record Size(long outgoingBytes, long incomingBytes) {
    static final Size NONE = new Size(0, 0);

    /** Enough for either. */
    Size or(Size other) {
      return new Size(
          Math.max(outgoingBytes, other.outgoingBytes),
          Math.max(incomingBytes, other.incomingBytes));
    }

    long totalBytes() {
      return outgoingBytes + incomingBytes;
    }
  }

  Staging(Size size) {
    try {
      outgoing = arena.allocate(size.outgoingBytes, 64);
      incoming = arena.allocate(size.incomingBytes, 64);
    } catch (Throwable e) {
      arena.close();
      throw e;
    }
  }

  /** An exchange begins: what the one before left is worth nothing. */
  void begin() {
    outgoingUsed = 0;
    incomingUsed = 0;
  }

  /** The next part of what is sent. */
  MemorySegment outgoing(long bytes) {
    MemorySegment part = outgoing.asSlice(outgoingUsed, bytes);
    outgoingUsed += bytes;
    return part;
  }

  /** Where the next part of what comes goes. */
  MemorySegment incoming(long bytes) {
    MemorySegment part = incoming.asSlice(incomingUsed, bytes);
    incomingUsed += bytes;
    return part;
  }

  @Override
  public void close() {
    arena.close();
  }
}
