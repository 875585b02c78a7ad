package dev.longtake.worker.exchange.shared;

import com.google.protobuf.ByteString;
import dev.longtake.v1.ExchangeSharedMemory;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.StandardOpenOption;
import java.security.SecureRandom;
import java.util.BitSet;
import org.jspecify.annotations.Nullable;

/**
 * A sender's memory for chunks on their way to one peer of the same host: as many slots as chunks may be under way. A slot is taken for a
 * chunk and free again when the peer says that it has consumed it.
 *
 * <p>Owns the memory until it is closed; the peer that has opened it keeps its own hold. Not thread-safe.
 */
public final class SharedSlots implements AutoCloseable {
  private static final SecureRandom RANDOM = new SecureRandom();

  private final Arena arena;
  private final MemorySegment memory;
  private final int descriptor;
  private final ByteString token;
  private final int slotBytes;
  private final BitSet taken;
  private final int slots;

  private SharedSlots(
      Arena arena,
      MemorySegment memory,
      int descriptor,
      ByteString token,
      int slots,
      int slotBytes) {
    this.arena = arena;
    this.memory = memory;
    this.descriptor = descriptor;
    this.token = token;
    this.slots = slots;
    this.slotBytes = slotBytes;
    this.taken = new BitSet(slots);
  }

  /**
   * Makes slots. Their memory is only used up as they are.
   *
   * @return null where the system can't share memory this way
   */
  public static @Nullable SharedSlots create(int slots, int slotBytes) {
    if (HostId.own().isEmpty()) {
      return null;
    }
    int descriptor = MemoryFile.create();
    if (descriptor < 0) {
      return null;
    }
    Arena arena = Arena.ofShared();
    try (FileChannel file =
        FileChannel.open(
            MemoryFile.path(ProcessHandle.current().pid(), descriptor),
            StandardOpenOption.READ,
            StandardOpenOption.WRITE)) {
      long bytes = SharedLayout.HEAD_BYTES + (long) slots * slotBytes;
      MemorySegment memory = file.map(FileChannel.MapMode.READ_WRITE, 0, bytes, arena);
      byte[] token = new byte[SharedLayout.TOKEN_BYTES];
      RANDOM.nextBytes(token);
      memory.asByteBuffer().put(0, token);
      return new SharedSlots(
          arena, memory, descriptor, ByteString.copyFrom(token), slots, slotBytes);
    } catch (IOException | RuntimeException e) {
      arena.close();
      MemoryFile.close(descriptor);
      return null;
    }
  }

  /** What the peer needs to open it. */
  public ExchangeSharedMemory offer() {
    return ExchangeSharedMemory.newBuilder()
        .setHost(HostId.own())
        .setProcess(ProcessHandle.current().pid())
        .setFile(descriptor)
        .setBytes(memory.byteSize())
        .setToken(token)
        .build();
  }

  /** Takes a slot: its first byte's offset, -1 when none is free or a chunk does not fit. */
  public long take(long chunkBytes) {
    int slot = taken.nextClearBit(0);
    if (slot >= slots || chunkBytes > slotBytes) {
      return -1;
    }
    taken.set(slot);
    return SharedLayout.HEAD_BYTES + (long) slot * slotBytes;
  }

  /** The bytes of a chunk in a slot that was taken. */
  public MemorySegment at(long offset, long chunkBytes) {
    return memory.asSlice(offset, chunkBytes);
  }

  /** The slot that begins there is free again; nothing happens where none begins. */
  public void free(long offset) {
    long fromFirst = offset - SharedLayout.HEAD_BYTES;
    if (fromFirst >= 0 && fromFirst % slotBytes == 0 && fromFirst / slotBytes < slots) {
      taken.clear((int) (fromFirst / slotBytes));
    }
  }

  @Override
  public void close() {
    MemoryFile.close(descriptor);
    arena.close();
  }
}
