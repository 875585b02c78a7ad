package dev.longtake.worker.exchange;

import dev.longtake.v1.ExchangeCredit;
import dev.longtake.v1.ExchangeHello;
import dev.longtake.worker.exchange.shared.SharedSlots;
import dev.longtake.worker.exchange.wire.ExchangeCalls;
import dev.longtake.worker.exchange.wire.OutgoingChunk;
import dev.longtake.worker.exchange.wire.OutgoingMessage;
import dev.longtake.worker.exchange.wire.PayloadCopy;
import io.grpc.Channel;
import io.grpc.Context;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import io.netty.util.concurrent.EventExecutor;
import io.netty.util.internal.ThreadExecutorMap;
import org.jspecify.annotations.Nullable;

/**
 * The client side of one stream: what this rank sends to one peer over one connection. Calls from any thread; none of them blocks.
 *
 * <p>Chunks may only be sent once the peer has answered. From then on the call is connected, so gRPC copies a message
 * into its own buffers before {@link #send} returns and never looks at the payload again.
 */
final class OutgoingStream implements ClientResponseObserver<OutgoingMessage, ExchangeCredit> {
  /** Hears what the peer answers; called by gRPC's threads, which must not be blocked. */
  interface Listener {
    /** The peer takes this many more chunks; the stream it says so on may be used. */
    void granted(OutgoingStream by, int chunks);

    /** Sends a chunk on this stream; false when nothing is to be sent. */
    boolean sendOne(OutgoingStream by);

    /** The stream is over: null when the peer ended it in order. */
    void outgoingEnded(@Nullable Throwable error);
  }

  /** Less, unless it is a whole chunk, goes through the socket, with the message that would tell where it lies. */
  private static final int MIN_SHARED_BYTES = 64 << 10;

  private final Listener listener;
  private final ExchangeSettings settings;
  private final PayloadCopy payloadCopy = new PayloadCopy();
  private final Turns turns;
  // All guarded by this. `finished`: nothing may be called on `call` any more.
  private @Nullable ClientCallStreamObserver<OutgoingMessage> call;
  private boolean finished;
  private @Nullable SharedSlots slots;
  private boolean isSharing;
  private @Nullable EventExecutor loop;

  OutgoingStream(Listener listener, ExchangeSettings settings) {
    this.listener = listener;
    this.turns = new Turns(() -> listener.sendOne(this));
    this.settings = settings;
  }

  /** Does nothing when the stream was cancelled before. */
  synchronized void start(Channel channel, ExchangeHello hello) {
    if (!finished) {
      // Not in the context of the call that brought the order: its end would cancel this stream
      // too, and a cancelled job would look like a lost peer.
      Context.ROOT.run(() -> ExchangeCalls.send(channel, this));
      var complete =
          hello.toBuilder().setSignOfLifeMillis((int) settings.signOfLifeInterval().toMillis());
      if (settings.sharedMemory()) {
        slots = SharedSlots.create(settings.windowChunks(), settings.chunkBytes());
        if (slots != null) {
          complete.setSharedMemory(slots.offer());
        }
      }
      send(OutgoingMessage.hello(complete.build()));
    }
  }

  @Override
  public synchronized void beforeStart(ClientCallStreamObserver<OutgoingMessage> requests) {
    call = requests;
  }

  /** There may be something to send: the connection's event loop does. Nothing happens before the peer has answered. */
  void wake() {
    EventExecutor thread;
    synchronized (this) {
      thread = loop;
    }
    if (thread != null) {
      thread.execute(turns::wake);
    }
  }

  /** What chunks that are sent on this stream are copied with, one after the other. */
  PayloadCopy payloadCopy() {
    return payloadCopy;
  }

  /**
   * Sends a chunk, through shared memory where the peer has opened it. Does nothing when the stream is over; the listener hears of
   * that.
   */
  synchronized void send(OutgoingChunk chunk) {
    if (finished) {
      return;
    }
    long bytes = chunk.payloadBytes();
    if (slots != null && isSharing && bytes >= Math.min(MIN_SHARED_BYTES, settings.chunkBytes())) {
      long slot = slots.take(bytes);
      if (slot >= 0) {
        send(chunk.putInto(slots.at(slot, bytes), slot));
        return;
      }
    }
    send((OutgoingMessage) chunk);
  }

  private synchronized void send(OutgoingMessage message) {
    if (!finished && call != null) {
      call.onNext(message);
    }
  }

  /** Nothing more to send; what was sent still arrives. */
  synchronized void complete() {
    if (!finished && call != null) {
      finish();
      call.onCompleted();
    }
  }

  /** Drops what is still under way. */
  synchronized void cancel(String reason) {
    if (!finished && call != null) {
      call.cancel(reason, null);
    }
    finish();
  }

  @Override
  public void onNext(ExchangeCredit credit) {
    synchronized (this) {
      loop = ThreadExecutorMap.currentExecutor();
      isSharing |= credit.getHasSharedMemory();
      if (slots != null) {
        for (int i = 0; i < credit.getFreeSlotsCount(); i++) {
          slots.free(credit.getFreeSlots(i));
        }
      }
    }
    listener.granted(this, credit.getChunks());
    turns.wake();
  }

  @Override
  public void onError(Throwable error) {
    finish();
    listener.outgoingEnded(error);
  }

  @Override
  public void onCompleted() {
    finish();
    listener.outgoingEnded(null);
  }

  private synchronized void finish() {
    finished = true;
    if (slots != null) {
      // A peer that has opened it keeps what lies there.
      slots.close();
      slots = null;
    }
  }
}
