package dev.longtake.worker.exchange;

import dev.longtake.v1.ExchangeCredit;
import dev.longtake.v1.ExchangeHello;
import dev.longtake.worker.exchange.wire.ExchangeCalls;
import dev.longtake.worker.exchange.wire.OutgoingMessage;
import dev.longtake.worker.exchange.wire.PayloadCopy;
import io.grpc.Channel;
import io.grpc.Context;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
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

    /** The stream is over: null when the peer ended it in order. */
    void outgoingEnded(@Nullable Throwable error);
  }

  private final Listener listener;
  private final PayloadCopy payloadCopy = new PayloadCopy();
  // Both guarded by this. `finished`: nothing may be called on `call` any more.
  private @Nullable ClientCallStreamObserver<OutgoingMessage> call;
  private boolean finished;

  OutgoingStream(Listener listener) {
    this.listener = listener;
  }

  /** Does nothing when the stream was cancelled before. */
  synchronized void start(Channel channel, ExchangeHello hello) {
    if (!finished) {
      // Not in the context of the call that brought the order: its end would cancel this stream
      // too, and a cancelled job would look like a lost peer.
      Context.ROOT.run(() -> ExchangeCalls.send(channel, this));
      send(new OutgoingMessage.Hello(hello));
    }
  }

  @Override
  public synchronized void beforeStart(ClientCallStreamObserver<OutgoingMessage> requests) {
    call = requests;
  }

  /** What chunks that are sent on this stream are copied with, one after the other. */
  PayloadCopy payloadCopy() {
    return payloadCopy;
  }

  /** Does nothing when the stream is over; the listener hears of that. */
  synchronized void send(OutgoingMessage message) {
    if (!finished && call != null) {
      call.onNext(message);
    }
  }

  /** Nothing more to send; what was sent still arrives. */
  synchronized void complete() {
    if (!finished && call != null) {
      finished = true;
      call.onCompleted();
    }
  }

  /** Drops what is still under way. */
  synchronized void cancel(String reason) {
    if (!finished && call != null) {
      call.cancel(reason, null);
    }
    finished = true;
  }

  @Override
  public void onNext(ExchangeCredit credit) {
    listener.granted(this, credit.getChunks());
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
  }
}
