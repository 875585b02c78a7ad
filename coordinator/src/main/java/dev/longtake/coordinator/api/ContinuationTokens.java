package dev.longtake.coordinator.api;

import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import dev.longtake.common.digest.Sha256;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.v1.Continuation;
import java.nio.ByteBuffer;
import java.security.MessageDigest;

/** Continuation tokens as bytes: a magic number, a version, the SHA-256 of the rest, and a {@link Continuation}. */
final class ContinuationTokens {
  /** {@code LTCT}. */
  private static final int MAGIC = 0x4c544354;

  private static final int VERSION = 1;
  private static final int HASH_BYTES = 32;
  private static final int HEADER_BYTES = 2 * Integer.BYTES + HASH_BYTES;

  private ContinuationTokens() {}

  static ByteString write(Continuation continuation) {
    byte[] content = continuation.toByteArray();
    ByteBuffer token = ByteBuffer.allocate(HEADER_BYTES + content.length);
    token.putInt(MAGIC).putInt(VERSION).put(Sha256.of(content)).put(content).flip();
    return ByteString.copyFrom(token);
  }

  /**
   * @throws LongtakeException INVALID_REQUEST unless it is a token, whole, and of this version
   */
  static Continuation read(ByteString token) {
    if (token.size() < HEADER_BYTES || token.asReadOnlyByteBuffer().getInt() != MAGIC) {
      throw invalid("it is none");
    }
    ByteBuffer bytes = token.asReadOnlyByteBuffer();
    bytes.getInt();
    int version = bytes.getInt();
    if (version != VERSION) {
      throw invalid("its version is %d, and this cluster knows %d".formatted(version, VERSION));
    }
    byte[] hash = new byte[HASH_BYTES];
    bytes.get(hash);
    byte[] content = new byte[bytes.remaining()];
    bytes.get(content);
    if (!MessageDigest.isEqual(hash, Sha256.of(content))) {
      throw invalid("its hash is wrong, so it was cut off or changed");
    }
    try {
      return Continuation.parseFrom(content);
    } catch (InvalidProtocolBufferException e) {
      throw invalid("it can't be read (%s)".formatted(e.getMessage()));
    }
  }

  private static LongtakeException invalid(String problem) {
    return LongtakeException.invalidField(
        "continuation",
        "Expected a continuation token as another job's Continuation call returned it, but %s"
            .formatted(problem));
  }
}
