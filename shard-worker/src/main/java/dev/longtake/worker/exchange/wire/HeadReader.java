package dev.longtake.worker.exchange.wire;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Reads what comes before a chunk's payload, byte by byte, and creates no objects but the chunk. Understands what our senders write:
 * known fields, then the payload and its checksum, or the checksum and the
 * slot that the payload lies in. Anything else is left to protobuf, with {@link #seen} put before the rest.
 */
final class HeadReader {
  private static final ThreadLocal<HeadReader> OF_THREAD = ThreadLocal.withInitial(HeadReader::new);

  /** Far more than our fields take. */
  private static final int MAX_HEAD_BYTES = 1024;

  /** A tag of one byte and four more. */
  private static final int CHECKSUM_FIELD_BYTES = 5;

  private final byte[] seen = new byte[MAX_HEAD_BYTES];
  private final Text jobId = new Text();
  private final Text place = new Text();
  private int count;

  private HeadReader() {}

  /** The calling thread's; what it has seen is forgotten with the next message. */
  static HeadReader ofThread() {
    return OF_THREAD.get();
  }

  /** Chunks of an exchange point repeat the same text: it is decoded once. */
  private static final class Text {
    private byte[] bytes = new byte[0];
    private String value = "";

    String of(byte[] source, int from, int to) {
      if (!Arrays.equals(source, from, to, bytes, 0, bytes.length)) {
        bytes = Arrays.copyOfRange(source, from, to);
        value = new String(bytes, StandardCharsets.UTF_8);
      }
      return value;
    }
  }

  /** What was read of the message. */
  InputStream seen() {
    return new ByteArrayInputStream(seen, 0, count);
  }

  /**
   * Reads a message up to its payload.
   *
   * @return null for anything but a chunk as our senders write it
   */
  @Nullable IncomingChunk chunk(InputStream message) throws IOException {
    count = 0;
    if (next(message) != Tags.CHUNK || varint(message) != message.available()) {
      return null;
    }
    String ofJob = "";
    String atPlace = "";
    long attempt = 0;
    int fromRank = 0;
    int lane = 0;
    long point = 0;
    long totalBytes = 0;
    long offsetBytes = 0;
    boolean isInSlot;
    while (true) {
      int tag = next(message);
      if (tag == Tags.PAYLOAD || tag == Tags.CRC32C) {
        isInSlot = tag == Tags.CRC32C;
        break;
      } else if (tag == Tags.JOB_ID) {
        int from = skipText(message);
        if (from < 0) {
          return null;
        }
        ofJob = jobId.of(seen, from, count);
      } else if (tag == Tags.PLACE) {
        int from = skipText(message);
        if (from < 0) {
          return null;
        }
        atPlace = place.of(seen, from, count);
      } else if (tag == Tags.ATTEMPT) {
        attempt = varint(message);
      } else if (tag == Tags.FROM_RANK) {
        fromRank = (int) varint(message);
      } else if (tag == Tags.LANE) {
        lane = (int) varint(message);
      } else if (tag == Tags.POINT) {
        point = varint(message);
      } else if (tag == Tags.TOTAL_BYTES) {
        totalBytes = varint(message);
      } else if (tag == Tags.OFFSET_BYTES) {
        offsetBytes = varint(message);
      } else {
        return null;
      }
    }
    if (isInSlot) {
      SlotPayload slot = slot(message);
      return slot == null
          ? null
          : new IncomingChunk(
              new ChunkHead(
                  ofJob,
                  attempt,
                  fromRank,
                  lane,
                  atPlace,
                  point,
                  totalBytes,
                  offsetBytes,
                  slot.payloadBytes()),
              slot);
    }
    long payloadBytes = varint(message);
    if (count >= MAX_HEAD_BYTES
        || payloadBytes < 0
        || payloadBytes + CHECKSUM_FIELD_BYTES != message.available()) {
      return null;
    }
    var head =
        new ChunkHead(
            ofJob,
            attempt,
            fromRank,
            lane,
            atPlace,
            point,
            totalBytes,
            offsetBytes,
            (int) payloadBytes);
    return new IncomingChunk(head, new BufferedPayload(message));
  }

  /** The checksum and where the payload lies, which is all the rest; null for anything else. */
  private @Nullable SlotPayload slot(InputStream message) throws IOException {
    int checksum = 0;
    for (int shift = 0; shift < Integer.SIZE; shift += Byte.SIZE) {
      checksum |= (next(message) & 0xff) << shift;
    }
    if (next(message) != Tags.SLOT || varint(message) != message.available()) {
      return null;
    }
    if (next(message) != Tags.SLOT_OFFSET) {
      return null;
    }
    long offset = varint(message);
    if (next(message) != Tags.SLOT_BYTES) {
      return null;
    }
    long bytes = varint(message);
    return message.available() == 0 && bytes > 0 && bytes <= Integer.MAX_VALUE
        ? new SlotPayload(offset, (int) bytes, checksum)
        : null;
  }

  /** The next byte; -1, which is no tag, where there is none or too many were read. */
  private int next(InputStream message) throws IOException {
    if (count >= MAX_HEAD_BYTES) {
      return -1;
    }
    int value = message.read();
    if (value >= 0) {
      seen[count++] = (byte) value;
    }
    return value;
  }

  /** -1 where there is none. */
  private long varint(InputStream message) throws IOException {
    long value = 0;
    for (int shift = 0; shift < Long.SIZE; shift += 7) {
      int part = next(message);
      if (part < 0) {
        return -1;
      }
      value |= (long) (part & 0x7f) << shift;
      if (part < 0x80) {
        return value;
      }
    }
    return -1;
  }

  /** Reads a text and tells where in {@link #seen} it begins; -1 where it does not fit, and nothing more is read. */
  private int skipText(InputStream message) throws IOException {
    long length = varint(message);
    int from = count;
    if (length < 0 || length > MAX_HEAD_BYTES - count || length > message.available()) {
      return -1;
    }
    for (long i = 0; i < length; i++) {
      if (next(message) < 0) {
        return -1;
      }
    }
    return from;
  }
}
