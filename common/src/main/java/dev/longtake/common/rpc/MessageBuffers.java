package dev.longtake.common.rpc;

import io.netty.buffer.AbstractByteBufAllocator;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.PooledByteBufAllocator;
import io.netty.util.concurrent.FastThreadLocal;
import java.io.IOException;
import java.io.OutputStream;
import org.jspecify.annotations.Nullable;

/**
 * Netty's pooled buffers for channels, which a message can fill without the arrays that gRPC's streams take: the thread that writes a
 * message finds out which buffer gRPC has just taken for it. Thread-safe.
 */
public final class MessageBuffers extends AbstractByteBufAllocator {
  /** The allocator of all our channels. */
  static final MessageBuffers INSTANCE = new MessageBuffers();

  /** gRPC asks for no more at once. */
  private static final int MOST_ASKED_BYTES = 1 << 20;

  /** What a chunk's message has besides its payload, so that a chunk of 1 MiB is one buffer. */
  private static final int HEAD_BYTES = 4 << 10;

  private static final FastThreadLocal<ByteBuf> LATEST = new FastThreadLocal<>();

  private MessageBuffers() {
    super(/* preferDirect= */ true);
  }

  /**
   * Writes to a message's stream and tells where the bytes have gone.
   *
   * @param target as gRPC passed it to {@link io.grpc.Drainable#drainTo}
   * @param count of {@code bytes}, from the first
   * @return the buffer in which what is written next would lie behind them; null when that isn't known. It is gRPC's: it may
   *     only be used until the stream is written to again
   */
  public static @Nullable ByteBuf write(byte[] bytes, int count, OutputStream target)
      throws IOException {
    ByteBuf buffer = LATEST.get();
    int end = buffer == null || buffer.refCnt() == 0 ? -1 : buffer.writerIndex() + count;
    target.write(bytes, 0, count);
    return buffer != null && end >= 0 && buffer.writerIndex() == end ? buffer : null;
  }

  @Override
  protected ByteBuf newHeapBuffer(int initialCapacity, int maxCapacity) {
    return PooledByteBufAllocator.DEFAULT.heapBuffer(initialCapacity, maxCapacity);
  }

  @Override
  protected ByteBuf newDirectBuffer(int initialCapacity, int maxCapacity) {
    int capacity =
        initialCapacity == MOST_ASKED_BYTES && maxCapacity == MOST_ASKED_BYTES
            ? MOST_ASKED_BYTES + HEAD_BYTES
            : initialCapacity;
    ByteBuf buffer =
        PooledByteBufAllocator.DEFAULT.directBuffer(capacity, Math.max(capacity, maxCapacity));
    LATEST.set(buffer);
    return buffer;
  }

  @Override
  public boolean isDirectBufferPooled() {
    return true;
  }
}
