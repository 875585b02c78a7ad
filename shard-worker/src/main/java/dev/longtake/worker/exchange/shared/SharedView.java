package dev.longtake.worker.exchange.shared;

import dev.longtake.v1.ExchangeSharedMemory;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * A receiver's view of a sender's {@link SharedSlots}. It stays open until the stream and every chunk that lies in it have let go of it,
 * so a chunk outlives its stream, and even its sender. Thread-safe.
 */
public final class SharedView {
  private final Arena arena;
  private final MemorySegment memory;
  private final AtomicInteger holders = new AtomicInteger(1);

  private SharedView(Arena arena, MemorySegment memory) {
    this.arena = arena;
    this.memory = memory;
  }

  /**
   * Opens what a peer offers.
   *
   * @return null when it can't be: another host, another user or namespace, or not the memory that was meant
   */
  public static @Nullable SharedView open(ExchangeSharedMemory offer) {
    if (HostId.own().isEmpty()
        || !offer.getHost().equals(HostId.own())
        || offer.getToken().size() != SharedLayout.TOKEN_BYTES
        || offer.getBytes() < SharedLayout.HEAD_BYTES) {
      return null;
    }
    try {
      Path path = MemoryFile.path(offer.getProcess(), offer.getFile());
      return MemoryFile.isOne(path) ? map(path, offer) : null;
    } catch (IOException | RuntimeException e) {
      return null;
    }
  }

  private static @Nullable SharedView map(Path path, ExchangeSharedMemory offer)
      throws IOException {
    Arena arena = Arena.ofShared();
    SharedView view = null;
    try (FileChannel file = FileChannel.open(path, StandardOpenOption.READ)) {
      // A file that ended before would be an error of memory later on.
      if (file.size() == offer.getBytes()) {
        MemorySegment memory = file.map(FileChannel.MapMode.READ_ONLY, 0, offer.getBytes(), arena);
        if (hasToken(memory, offer)) {
          view = new SharedView(arena, memory);
        }
      }
      return view;
    } finally {
      if (view == null) {
        arena.close();
      }
    }
  }

  private static boolean hasToken(MemorySegment memory, ExchangeSharedMemory offer) {
    return memory
        .asSlice(0, SharedLayout.TOKEN_BYTES)
        .asByteBuffer()
        .equals(offer.getToken().asReadOnlyByteBuffer());
  }

  /** Whether a chunk can lie there. */
  public boolean contains(long offset, long chunkBytes) {
    return offset >= SharedLayout.HEAD_BYTES
        && chunkBytes > 0
        && offset <= memory.byteSize() - chunkBytes;
  }

  /** A chunk's bytes, to be read while the view is held. */
  public MemorySegment at(long offset, long chunkBytes) {
    return memory.asSlice(offset, chunkBytes);
  }

  /** One more holds it, who must still be sure of it. */
  public void hold() {
    holders.incrementAndGet();
  }

  /** One lets go of it; the last one closes it. */
  public void letGo() {
    if (holders.decrementAndGet() == 0) {
      arena.close();
    }
  }
}
