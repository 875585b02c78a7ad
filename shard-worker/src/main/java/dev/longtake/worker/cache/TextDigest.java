package dev.longtake.worker.cache;

import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/** Tells embeddings apart. */
@FunctionalInterface
interface TextDigest {
  /** SHA-256 over the bits, in hexadecimal. */
  TextDigest SHA_256 =
      values -> {
        // In blocks, so that no second copy of a long text is made.
        ByteBuffer block = ByteBuffer.allocate(1 << 16);
        MessageDigest digest = sha256();
        for (int at = 0; at < values.length; ) {
          int count = Math.min(values.length - at, block.capacity() / Float.BYTES);
          block.clear();
          block.asFloatBuffer().put(values, at, count);
          digest.update(block.limit(count * Float.BYTES));
          at += count;
        }
        return HexFormat.of().formatHex(digest.digest());
      };

  String of(float[] values);

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("Every Java platform has SHA-256", e);
    }
  }
}
