package dev.longtake.worker.exchange.wire;

import com.google.protobuf.CodedOutputStream;
import dev.longtake.common.rpc.MessageBuffers;
import dev.longtake.v1.ExchangeChunk;
import dev.longtake.v1.ExchangeMessage;
import dev.longtake.v1.ExchangeSlot;
import io.grpc.Drainable;
import io.grpc.KnownLength;
import io.netty.buffer.ByteBuf;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.foreign.MemorySegment;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A chunk that writes itself into gRPC's buffers, straight from the memory where its payload lies; that memory is not looked at any
 * more once gRPC has taken the message. For one thread.
 */
public final class OutgoingChunk extends InputStream
    implements OutgoingMessage, KnownLength, Drainable {
  private static final int CHECKSUM_SIZE =
      CodedOutputStream.computeFixed32Size(ExchangeChunk.CRC32C_FIELD_NUMBER, 0);

  private final ChunkPlace place;
  private final long offset;
  private final MemorySegment source;
  private final long start;
  private final int payloadBytes;
  private final PayloadCopy copy;
  private final int chunkSize;
  private boolean drained;
  private @Nullable InputStream copied;

  /**
   * A part of what is sent at an exchange point.
   *
   * @param offset of the payload's first byte in what is sent, in bytes
   * @param source where the payload lies
   * @param start of the payload, in {@code source}
   */
  public OutgoingChunk(
      ChunkPlace place,
      long offset,
      MemorySegment source,
      long start,
      int payloadBytes,
      PayloadCopy copy) {
    Objects.checkFromIndexSize(start, payloadBytes, source.byteSize());
    this.place = place;
    this.offset = offset;
    this.source = source;
    this.start = start;
    this.payloadBytes = payloadBytes;
    this.copy = copy;
    this.chunkSize = place.bytes().length + headSize() + payloadBytes + CHECKSUM_SIZE;
  }

  /** Of the offset and what comes before the payload's bytes. */
  private int headSize() {
    return CodedOutputStream.computeInt64Size(ExchangeChunk.OFFSET_BYTES_FIELD_NUMBER, offset)
        + CodedOutputStream.computeTagSize(ExchangeChunk.PAYLOAD_FIELD_NUMBER)
        + CodedOutputStream.computeUInt32SizeNoTag(payloadBytes);
  }

  public long payloadBytes() {
    return payloadBytes;
  }

  /**
   * Puts the payload into shared memory.
   *
   * @param slot as large as the payload
   * @param slotOffset of the slot's first byte
   * @return the message to send instead of this
   */
  public OutgoingMessage putInto(MemorySegment slot, long slotOffset) {
    copy.begin().copy(source, start, slot, 0, payloadBytes);
    return new Generated(
        ExchangeMessage.newBuilder()
            .setChunk(
                place
                    .newChunk()
                    .setOffsetBytes(offset)
                    .setCrc32C(copy.checksum())
                    .setSlot(
                        ExchangeSlot.newBuilder().setOffset(slotOffset).setBytes(payloadBytes)))
            .build());
  }

  @Override
  public InputStream bytes() {
    return this;
  }

  @Override
  public int available() {
    return drained ? 0 : size();
  }

  private int size() {
    return outerSize() + chunkSize;
  }

  private int outerSize() {
    return CodedOutputStream.computeTagSize(ExchangeMessage.CHUNK_FIELD_NUMBER)
        + CodedOutputStream.computeUInt32SizeNoTag(chunkSize);
  }

  @Override
  public int drainTo(OutputStream target) throws IOException {
    int size = size();
    drained = true;
    int headSize = outerSize() + place.bytes().length + headSize();
    byte[] head = copy.head(headSize);
    var out = CodedOutputStream.newInstance(head, 0, headSize);
    out.writeTag(ExchangeMessage.CHUNK_FIELD_NUMBER, Tags.LENGTH_DELIMITED);
    out.writeUInt32NoTag(chunkSize);
    out.writeRawBytes(place.bytes());
    out.writeInt64(ExchangeChunk.OFFSET_BYTES_FIELD_NUMBER, offset);
    out.writeTag(ExchangeChunk.PAYLOAD_FIELD_NUMBER, Tags.LENGTH_DELIMITED);
    out.writeUInt32NoTag(payloadBytes);
    out.checkNoSpaceLeft();
    copy.begin();
    ByteBuf buffer = MessageBuffers.write(head, headSize, target);
    int filled = buffer == null ? 0 : fill(buffer);
    copy.write(source, start + filled, start + payloadBytes, target);
    // A tag of one byte, then the number, its lowest byte first.
    head[0] = (byte) Tags.CRC32C;
    for (int i = 1; i < CHECKSUM_SIZE; i++) {
      head[i] = (byte) (copy.checksum() >>> (Byte.SIZE * (i - 1)));
    }
    target.write(head, 0, CHECKSUM_SIZE);
    return size;
  }

  /** Puts as much of the payload as there is room for straight into gRPC's buffer. */
  private int fill(ByteBuf buffer) {
    int count = Math.min(buffer.writableBytes(), payloadBytes);
    int at = buffer.writerIndex();
    copy.fill(source, start, buffer.internalNioBuffer(at, count), address(buffer, at));
    buffer.writerIndex(at + count);
    return count;
  }

  /** Of a byte in a buffer; 0 where it has none. */
  private static long address(ByteBuf buffer, int index) {
    return buffer.hasMemoryAddress() ? buffer.memoryAddress() + index : 0;
  }

  /** gRPC drains; reading is for what stands between, such as an interceptor. */
  private InputStream copied() throws IOException {
    if (copied == null) {
      var out = new ByteArrayOutputStream(available());
      drainTo(out);
      copied = new ByteArrayInputStream(out.toByteArray());
    }
    return copied;
  }

  @Override
  public int read() throws IOException {
    return copied().read();
  }

  @Override
  public int read(byte[] target, int offset, int count) throws IOException {
    return copied().read(target, offset, count);
  }
}
