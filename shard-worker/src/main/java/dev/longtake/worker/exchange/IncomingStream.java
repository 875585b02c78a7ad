package dev.longtake.worker.exchange;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.rpc.GrpcErrors;
import dev.longtake.v1.ExchangeCredit;
import dev.longtake.v1.ExchangeHello;
import dev.longtake.v1.ExchangeSharedMemory;
import dev.longtake.worker.exchange.shared.SharedView;
import dev.longtake.worker.exchange.wire.IncomingChunk;
import dev.longtake.worker.exchange.wire.IncomingMessage;
import dev.longtake.worker.exchange.wire.PayloadCopy;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.util.concurrent.Future;
import org.jspecify.annotations.Nullable;

/**
 * The server side of one stream: what one peer sends to this rank over one connection. First it belongs to the hub, which reads nothing
 * but the hello; from {@link #accept} on to an exchange. gRPC delivers only as many messages as were requested, so what the
 * exchange has not consumed never exceeds the window, whatever the peer does.
 */
final class IncomingStream implements StreamObserver<IncomingMessage> {
  /** The exchange's end of the stream; called by gRPC's threads, which must not be blocked. */
  interface Listener {
    /**
     * A chunk came.
     *
     * @return false when it is not wanted any more; then the caller closes it
     */
    boolean arrived(IncomingStream by, IncomingChunk chunk);

    /** Copies a chunk that arrived to where it belongs; false when there is none to copy. */
    boolean placeOne(PayloadCopy copy);

    /** The peer broke the protocol; the stream is already refused. */
    void violated(LongtakeException violation);

    /**
     * Nothing more will come.
     *
     * @param inOrder the peer said so; otherwise the connection broke or the peer cancelled
     */
    void incomingEnded(boolean inOrder);
  }

  /** No peer makes this worker do more than that. */
  private static final int MIN_SIGN_OF_LIFE_MILLIS = 50;

  private final ExchangeHub hub;
  private final ServerCallStreamObserver<ExchangeCredit> call;
  // Only used by the callbacks, which gRPC runs one after the other.
  private final PayloadCopy payloadCopy = new PayloadCopy();
  private final Turns turns = new Turns(this::placeOne);
  private @Nullable ExchangeHello hello;
  private volatile @Nullable Listener listener;
  // Guarded by this: what the peer is still to be told.
  private final ExchangeCredit.Builder consumed = ExchangeCredit.newBuilder();
  // Guarded by this: the response is closed, nothing may be called on `call` any more.
  private boolean ended;
  private boolean endedInOrder;
  private @Nullable SharedView memory;
  private @Nullable Future<?> signsOfLife;
  // The callbacks end, too; told once.
  private boolean isOver;

  IncomingStream(ExchangeHub hub, ServerCallStreamObserver<ExchangeCredit> call) {
    this.hub = hub;
    this.call = call;
    call.disableAutoRequest();
    call.setOnCancelHandler(this::canceled);
    call.setOnCloseHandler(this::release);
    call.request(1);
  }

  /**
   * Hands the stream to an exchange and lets the peer send.
   *
   * @param windowChunks that may be under way, on all streams of this peer together
   * @param granted what this stream tells the peer of it: all, or 0 where another stream does
   * @param offered the peer's memory, to be used if it can be; null for none
   */
  synchronized void accept(
      Listener exchange, int windowChunks, int granted, @Nullable ExchangeSharedMemory offered) {
    listener = exchange;
    if (ended) {
      exchange.incomingEnded(endedInOrder);
      return;
    }
    call.request(windowChunks);
    memory = offered == null ? null : SharedView.open(offered);
    call.onNext(
        ExchangeCredit.newBuilder().setChunks(granted).setHasSharedMemory(memory != null).build());
  }

  /** The peer hears from this worker at once and from time to time, even while it waits for the order that the stream belongs to. */
  private synchronized void beginSignsOfLife(int everyMillis) {
    if (everyMillis > 0 && !ended) {
      showLife();
      signsOfLife = hub.repeat(this::showLife, Math.max(everyMillis, MIN_SIGN_OF_LIFE_MILLIS));
    }
  }

  private synchronized void showLife() {
    if (!ended) {
      call.onNext(ExchangeCredit.getDefaultInstance());
    }
  }

  /** One chunk was consumed: the peer may send another once it is told ({@link #grant}). */
  synchronized void consumed(IncomingChunk chunk) {
    if (!ended) {
      call.request(1);
      consumed.setChunks(consumed.getChunks() + 1);
      if (chunk.slot().isPresent()) {
        consumed.addFreeSlots(chunk.slot().getAsLong());
      }
    }
  }

  /** Tells the peer of chunks that were consumed. */
  synchronized void grant() {
    if (!ended && consumed.getChunks() > 0) {
      call.onNext(consumed.build());
      consumed.clear();
    }
  }

  /** Lets go of a chunk that nobody wants any more, and counts it. */
  void drop(IncomingChunk chunk) {
    chunk.close();
    hub.droppedChunk();
  }

  synchronized void refuse(LongtakeException reason) {
    if (!ended) {
      ended = true;
      call.onError(GrpcErrors.toStatus(reason));
    }
  }

  /** Ends the stream in order; the peer still hears of all that was consumed. */
  synchronized void complete() {
    if (!ended) {
      grant();
      ended = true;
      endedInOrder = true;
      call.onCompleted();
    }
  }

  @Override
  public void onNext(IncomingMessage message) {
    switch (message) {
      case IncomingMessage.Hello(ExchangeHello first) when hello == null -> {
        hello = first;
        hub.arrived(this, first);
        beginSignsOfLife(first.getSignOfLifeMillis());
      }
      case IncomingMessage.Chunk(IncomingChunk chunk) when hello != null -> {
        Listener exchange = listener;
        if (!lies(chunk)) {
          drop(chunk);
          violate("a payload in the message or in memory that is shared", "one elsewhere");
        } else if (exchange == null || !exchange.arrived(this, chunk)) {
          drop(chunk);
        } else {
          turns.wake();
        }
      }
      case IncomingMessage.Chunk(IncomingChunk chunk) -> {
        chunk.close();
        violate("hello as the first message", "a chunk");
      }
      case IncomingMessage.Hello _ -> violate("a chunk after the hello", "a hello");
      case IncomingMessage.Unknown _ ->
          violate(
              hello == null ? "hello as the first message" : "a chunk after the hello",
              "another message");
    }
  }

  private boolean placeOne() {
    Listener exchange = listener;
    return exchange != null && exchange.placeOne(payloadCopy);
  }

  private synchronized boolean lies(IncomingChunk chunk) {
    return chunk.lieIn(memory);
  }

  private void violate(String expected, String actual) {
    var violation =
        new LongtakeException(
            ErrorCode.INVALID_REQUEST,
            "Expected %s of an exchange stream, but got %s; do all workers run the same version?"
                .formatted(expected, actual));
    refuse(violation);
    Listener exchange = listener;
    if (exchange != null) {
      exchange.violated(violation);
    }
  }

  @Override
  public void onCompleted() {
    complete();
    over(/* inOrder= */ true);
  }

  @Override
  public void onError(Throwable error) {
    canceled();
  }

  private void canceled() {
    boolean inOrder;
    synchronized (this) {
      ended = true;
      inOrder = endedInOrder;
    }
    over(inOrder);
  }

  private synchronized void release() {
    if (signsOfLife != null) {
      signsOfLife.cancel(false);
      signsOfLife = null;
    }
    if (memory != null) {
      memory.letGo();
      memory = null;
    }
  }

  private void over(boolean inOrder) {
    synchronized (this) {
      if (isOver) {
        return;
      }
      isOver = true;
    }
    release();
    hub.gone(this);
    Listener exchange = listener;
    if (exchange != null) {
      exchange.incomingEnded(inOrder);
    }
  }
}
