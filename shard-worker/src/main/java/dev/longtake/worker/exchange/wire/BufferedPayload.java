package dev.longtake.worker.exchange.wire;

import com.google.protobuf.ByteString;
import dev.longtake.v1.ExchangeChunk;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.MemorySegment;

/** In the buffers that were read from the socket. */
final class BufferedPayload implements Payload {
  private static final int CHECKSUM_BYTES = 4;

  // The payload, then the checksum's tag and the checksum.
  private final InputStream rest;
  private int sentChecksum;
  private int checksum;

  BufferedPayload(InputStream rest) {
    this.rest = rest;
  }

  /** Of a message whose fields come in another order than ours do. */
  static BufferedPayload of(ExchangeChunk chunk) {
    byte[] checksum = new byte[1 + CHECKSUM_BYTES];
    checksum[0] = (byte) Tags.CRC32C;
    for (int i = 0; i < CHECKSUM_BYTES; i++) {
      checksum[1 + i] = (byte) (chunk.getCrc32C() >>> (8 * i));
    }
    return new BufferedPayload(chunk.getPayload().concat(ByteString.copyFrom(checksum)).newInput());
  }

  @Override
  public boolean copyTo(MemorySegment target, PayloadCopy copy) throws IOException {
    copy.begin();
    copy.read(rest, target);
    checksum = copy.checksum();
    int tag = rest.read();
    int sent = 0;
    for (int i = 0; i < CHECKSUM_BYTES; i++) {
      sent |= nextByte() << (8 * i);
    }
    sentChecksum = sent;
    return tag == Tags.CRC32C && sent == checksum;
  }

  private int nextByte() throws IOException {
    int value = rest.read();
    if (value < 0) {
      throw new EOFException("Expected a checksum after the payload");
    }
    return value;
  }

  @Override
  public int sentChecksum() {
    return sentChecksum;
  }

  @Override
  public int checksum() {
    return checksum;
  }

  @Override
  public void close() throws IOException {
    rest.close();
  }
}
