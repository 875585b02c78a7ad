package dev.longtake.worker.exchange.wire;

import com.google.protobuf.ByteString;
import dev.longtake.v1.ExchangeChunk;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;

/** A chunk that arrived. Owns the buffers its payload lies in until it is closed. */
public final class IncomingChunk implements AutoCloseable {
  private static final int CHECKSUM_BYTES = 4;

  private final ChunkHead head;
  // The payload, then the checksum's tag and the checksum.
  private final InputStream rest;
  private final long arrivedNanos = System.nanoTime();
  private int sentChecksum;
  private int checksum;

  IncomingChunk(ChunkHead head, InputStream rest) {
    this.head = head;
    this.rest = rest;
  }

  /** From a message whose fields come in another order than ours do. */
  static IncomingChunk of(ExchangeChunk chunk) {
    byte[] checksum = new byte[1 + CHECKSUM_BYTES];
    checksum[0] = (byte) Tags.CRC32C;
    for (int i = 0; i < CHECKSUM_BYTES; i++) {
      checksum[1 + i] = (byte) (chunk.getCrc32C() >>> (8 * i));
    }
    InputStream rest = chunk.getPayload().concat(ByteString.copyFrom(checksum)).newInput();
    return new IncomingChunk(ChunkHead.of(chunk), rest);
  }

  public ChunkHead head() {
    return head;
  }

  /** {@link System#nanoTime} of its arrival. */
  public long arrivedNanos() {
    return arrivedNanos;
  }

  /**
   * Copies the payload; once.
   *
   * @param target as large as the head says
   * @return whether the checksum is the one that was sent
   */
  public boolean copyTo(MemorySegment target, PayloadCopy copy) {
    try {
      checksum = copy.read(rest, target);
      int tag = rest.read();
      int sent = 0;
      for (int i = 0; i < CHECKSUM_BYTES; i++) {
        sent |= nextByte() << (8 * i);
      }
      sentChecksum = sent;
      return tag == Tags.CRC32C && sent == checksum;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private int nextByte() throws IOException {
    int value = rest.read();
    if (value < 0) {
      throw new EOFException("Expected a checksum after the payload");
    }
    return value;
  }

  /** After {@link #copyTo}: CRC32C as the sender computed it. */
  public int sentChecksum() {
    return sentChecksum;
  }

  /** After {@link #copyTo}: CRC32C of what came. */
  public int checksum() {
    return checksum;
  }

  @Override
  public void close() {
    try {
      rest.close();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
