package dev.longtake.worker.order;

import dev.longtake.worker.media.FrameDecoder;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** The frame decoder, opened when it is first needed. Thread-safe. Owns it. */
final class DecoderSlot implements AutoCloseable {
  private final Supplier<@Nullable FrameDecoder> decoders;
  private @Nullable FrameDecoder decoder; // guarded by this

  DecoderSlot(Supplier<@Nullable FrameDecoder> decoders) {
    this.decoders = decoders;
  }

  /** Null where the model has none. */
  synchronized @Nullable FrameDecoder get() {
    if (decoder == null) {
      decoder = decoders.get();
    }
    return decoder;
  }

  @Override
  public synchronized void close() {
    if (decoder != null) {
      decoder.close();
      decoder = null;
    }
  }
}
