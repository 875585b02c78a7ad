package dev.longtake.worker.exchange.wire;

import dev.longtake.v1.ExchangeChunk;
import dev.longtake.worker.exchange.shared.SharedView;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/** A chunk that arrived. Owns what its payload lies in until it is closed. */
public final class IncomingChunk implements AutoCloseable {
  private final ChunkHead head;
  private final Payload payload;
  private final long arrivedNanos = System.nanoTime();

  IncomingChunk(ChunkHead head, Payload payload) {
    this.head = head;
    this.payload = payload;
  }

  /** From a message whose fields come in another order than ours do, or whose payload is elsewhere. */
  static IncomingChunk of(ExchangeChunk chunk) {
    return new IncomingChunk(
        ChunkHead.of(chunk),
        chunk.hasSlot()
            ? new SlotPayload(
                chunk.getSlot().getOffset(), chunk.getSlot().getBytes(), chunk.getCrc32C())
            : BufferedPayload.of(chunk));
  }

  public ChunkHead head() {
    return head;
  }

  /** {@link System#nanoTime} of its arrival. */
  public long arrivedNanos() {
    return arrivedNanos;
  }

  /** Where in shared memory its payload lies; empty when it came with the message. */
  public OptionalLong slot() {
    return payload instanceof SlotPayload shared
        ? OptionalLong.of(shared.offset())
        : OptionalLong.empty();
  }

  /**
   * Tells which memory it may lie in; to be called before {@link #copyTo}.
   *
   * @param memory of its stream, null when nothing is shared
   * @return false when the payload lies elsewhere: the chunk can't be read
   */
  public boolean lieIn(@Nullable SharedView memory) {
    return !(payload instanceof SlotPayload shared) || (memory != null && shared.lieIn(memory));
  }

  /**
   * Copies the payload; once.
   *
   * @param target as large as the head says
   * @return whether the checksum is the one that was sent
   */
  public boolean copyTo(MemorySegment target, PayloadCopy copy) {
    try {
      return payload.copyTo(target, copy);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** After {@link #copyTo}: CRC32C as the sender computed it. */
  public int sentChecksum() {
    return payload.sentChecksum();
  }

  /** After {@link #copyTo}: CRC32C of what came. */
  public int checksum() {
    return payload.checksum();
  }

  @Override
  public void close() {
    try {
      payload.close();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
