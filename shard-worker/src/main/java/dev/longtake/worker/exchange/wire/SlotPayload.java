package dev.longtake.worker.exchange.wire;

import dev.longtake.v1.ExchangeSlot;
import dev.longtake.worker.exchange.shared.SharedView;
import java.lang.foreign.MemorySegment;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** In memory that the sender shares. */
final class SlotPayload implements Payload {
  private final ExchangeSlot slot;
  private final int sentChecksum;
  private @Nullable SharedView view;
  private int checksum;

  SlotPayload(ExchangeSlot slot, int sentChecksum) {
    this.slot = slot;
    this.sentChecksum = sentChecksum;
  }

  ExchangeSlot slot() {
    return slot;
  }

  /** Holds the memory it lies in; false when it can't lie there. */
  boolean lieIn(SharedView memory) {
    if (!memory.contains(slot.getOffset(), slot.getBytes())) {
      return false;
    }
    memory.hold();
    view = memory;
    return true;
  }

  @Override
  public boolean copyTo(MemorySegment target, PayloadCopy copy) {
    SharedView memory = Objects.requireNonNull(view);
    MemorySegment source = memory.at(slot.getOffset(), slot.getBytes());
    checksum = copy.copy(source, target, source.asByteBuffer());
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
