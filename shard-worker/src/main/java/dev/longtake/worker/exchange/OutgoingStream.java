package dev.longtake.worker.exchange;

import dev.longtake.common.rpc.Endpoints;
import dev.longtake.v1.ExchangeCredit;
import dev.longtake.v1.ExchangeGrpc;
import dev.longtake.v1.ExchangeHello;
import dev.longtake.v1.ExchangeMessage;
import io.grpc.Context;
import io.grpc.ManagedChannel;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The client side of one stream: what this rank sends to one peer. Owns its channel. Calls from any thread; none of them
 * blocks except {@link #closeChannel}.
 *
 * <p>Chunks may only be sent once the first credit has come. From then on the call is connected, so gRPC copies a message
 * into its own buffers before {@link #send} returns and never looks at the payload again.
 */
final class OutgoingStream implements ClientResponseObserver<ExchangeMessage, ExchangeCredit> {
  /** Hears what the peer answers; called by gRPC's threads, which must not be blocked. */
  interface Listener {
    /** The peer takes this many more chunks. */
    void granted(int chunks);

    /** The stream is over: null when the peer ended it in order. */
    void outgoingEnded(@Nullable Throwable error);
  }

  private final Listener listener;
  private final ManagedChannel channel;
  // Both guarded by this. `finished`: nothing may be called on `call` any more.
  private @Nullable ClientCallStreamObserver<ExchangeMessage> call;
  private boolean finished;

  OutgoingStream(String address, Listener listener) {
    this.listener = listener;
    this.channel = Endpoints.connect(address);
  }

  /** Does nothing when the stream was cancelled before. */
  synchronized void start(ExchangeHello hello) {
    if (!finished) {
      // Not in the context of the call that brought the order: its end would cancel this stream,
      // and a
      // cancelled job would look like a lost peer.
      Context.ROOT.run(() -> ExchangeGrpc.newStub(channel).stream(this));
      send(ExchangeMessage.newBuilder().setHello(hello).build());
    }
  }

  @Override
  public synchronized void beforeStart(ClientCallStreamObserver<ExchangeMessage> requests) {
    call = requests;
  }

  /** Does nothing when the stream is over; the listener hears of that. */
  synchronized void send(ExchangeMessage message) {
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

  /** Gives calls that were completed until the deadline to end, then cuts them. */
  void closeChannel(long deadlineNanos) {
    channel.shutdown();
    try {
      long leftNanos = Math.max(0, deadlineNanos - System.nanoTime());
      if (!channel.awaitTermination(leftNanos, TimeUnit.NANOSECONDS)) {
        channel.shutdownNow();
      }
    } catch (InterruptedException e) {
      channel.shutdownNow();
      Thread.currentThread().interrupt();
    }
  }

  @Override
  public void onNext(ExchangeCredit credit) {
    listener.granted(credit.getChunks());
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
