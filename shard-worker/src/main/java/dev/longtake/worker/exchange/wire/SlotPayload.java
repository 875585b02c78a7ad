package dev.longtake.worker.exchange.wire;

import dev.longtake.worker.exchange.shared.SharedView;
import java.lang.foreign.MemorySegment;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** In memory that the sender shares. */
final class SlotPayload implements Payload {
  private final long offset;
  private final int bytes;
  private final int sentChecksum;
  private @Nullable SharedView view;
  private int checksum;

  SlotPayload(long offset, int bytes, int sentChecksum) {
    this.offset = offset;
    this.bytes = bytes;
    this.sentChecksum = sentChecksum;
  }

  /** Of the slot's first byte. */
  long offset() {
    return offset;
  }

  int payloadBytes() {
    return bytes;
  }

  /** Holds the memory it lies in; false when it can't lie there. */
  boolean lieIn(SharedView memory) {
    if (!memory.contains(offset, bytes)) {
      return false;
    }
    memory.hold();
    view = memory;
    return true;
  }

  @Override
  public boolean copyTo(MemorySegment target, PayloadCopy copy) {
    SharedView memory = Objects.requireNonNull(view);
    MemorySegment source = memory.at(offset, bytes);
    copy.begin().copy(source, 0, target, 0, bytes);
    checksum = copy.checksum();
    return checksum == sentChecksum;
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
  public void close() {
    if (view != null) {
      view.letGo();
      view = null;
    }
  }
}
