package dev.longtake.worker.exchange;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.rpc.GrpcErrors;
import dev.longtake.v1.ExchangeChunk;
import dev.longtake.v1.ExchangeCredit;
import dev.longtake.v1.ExchangeHello;
import dev.longtake.v1.ExchangeMessage;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import org.jspecify.annotations.Nullable;

/**
 * The server side of one stream: what one peer sends to this rank. First it belongs to the hub, which reads nothing but
 * the hello; from {@link #accept} on to a session. gRPC delivers only as many messages as were requested, so what the
 * session has not consumed never exceeds the window, whatever the peer does.
 */
final class IncomingStream implements StreamObserver<ExchangeMessage> {
  /** The session's end of the stream; called by gRPC's threads, which must not be blocked. */
  interface Listener {
    void arrived(ExchangeChunk chunk);

    /** The peer broke the protocol; the stream is already refused. */
    void violated(LongtakeException violation);

    /** Nothing more will come. */
    void incomingEnded();
  }

  private final ExchangeHub hub;
  private final ServerCallStreamObserver<ExchangeCredit> call;
  // Only used by the callbacks, which gRPC runs one after the other.
  private @Nullable ExchangeHello hello;
  private volatile @Nullable Listener listener;
  // Guarded by this: the response is closed, nothing may be called on `call` any more.
  private boolean ended;

  IncomingStream(ExchangeHub hub, ServerCallStreamObserver<ExchangeCredit> call) {
    this.hub = hub;
    this.call = call;
    call.disableAutoRequest();
    call.setOnCancelHandler(this::canceled);
    call.request(1);
  }

  /** Hands the stream to a session and lets the peer send. */
  synchronized void accept(Listener session, int windowChunks) {
    listener = session;
    if (ended) {
      session.incomingEnded();
      return;
    }
    call.request(windowChunks);
    call.onNext(ExchangeCredit.newBuilder().setChunks(windowChunks).build());
  }

  /** One chunk was consumed: the peer may send another. */
  synchronized void consumed() {
    if (!ended) {
      call.request(1);
      call.onNext(ExchangeCredit.newBuilder().setChunks(1).build());
    }
  }

  synchronized void refuse(LongtakeException reason) {
    if (!ended) {
      ended = true;
      call.onError(GrpcErrors.toStatus(reason));
    }
  }

  /** Ends the stream in order; credits given before still arrive. */
  synchronized void complete() {
    if (!ended) {
      ended = true;
      call.onCompleted();
    }
  }

  @Override
  public void onNext(ExchangeMessage message) {
    if (hello == null) {
      if (message.hasHello()) {
        hello = message.getHello();
        hub.arrived(this, message.getHello());
      } else {
        refuse(violation("hello as the first message", message));
      }
      return;
    }
    Listener session = listener;
    if (session == null) {
      return;
    }
    if (message.hasChunk()) {
      session.arrived(message.getChunk());
    } else {
      LongtakeException violation = violation("a chunk after the hello", message);
      refuse(violation);
      session.violated(violation);
    }
  }

  private static LongtakeException violation(String expected, ExchangeMessage message) {
    return new LongtakeException(
        ErrorCode.INVALID_REQUEST,
        "Expected %s of an exchange stream, but got %s; do all workers run the same version?"
            .formatted(expected, message.getMessageCase()));
  }

  @Override
  public void onCompleted() {
    complete();
    over();
  }

  @Override
  public void onError(Throwable error) {
    canceled();
  }

  private void canceled() {
    synchronized (this) {
      ended = true;
    }
    over();
  }

  private void over() {
    hub.gone(this);
    Listener session = listener;
    if (session != null) {
      session.incomingEnded();
    }
  }
}
