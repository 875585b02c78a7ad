package dev.longtake.ops.bench.exchange;

import com.google.protobuf.ByteString;
import dev.longtake.v1.ExchangeChunk;
import dev.longtake.v1.ExchangeCredit;
import dev.longtake.v1.ExchangeGrpc;
import dev.longtake.v1.ExchangeMessage;
import io.grpc.ManagedChannel;
import io.grpc.Server;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** What one writes first: the generated stub, gRPC's own settings, chunks as protobuf bytes; gRPC's flow control slows the sender. */
final class StubEnd {
  private static final int MAX_MESSAGE_BYTES = 64 << 20;

  /** For one message to be taken, and for all to be answered. */
  private static final long WAIT_SECONDS = 60;

  private final Server server;
  private final Map<String, ManagedChannel> channels = new ConcurrentHashMap<>();

  /**
   * Listens.
   *
   * @param incoming where payloads go
   */
  StubEnd(ByteBuffer incoming) throws IOException {
    server =
        NettyServerBuilder.forAddress(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))
            .maxInboundMessageSize(MAX_MESSAGE_BYTES)
            .addService(new Sink(incoming))
            .build()
            .start();
  }

  int port() {
    return server.getPort();
  }

  private static final class Sink extends ExchangeGrpc.ExchangeImplBase {
    private final ByteBuffer incoming;

    Sink(ByteBuffer incoming) {
      this.incoming = incoming;
    }

    @Override
    public StreamObserver<ExchangeMessage> stream(StreamObserver<ExchangeCredit> credits) {
      return new StreamObserver<>() {
        @Override
        public void onNext(ExchangeMessage message) {
          ExchangeChunk chunk = message.getChunk();
          ByteBuffer target = incoming.duplicate();
          target.position((int) chunk.getOffsetBytes());
          chunk.getPayload().copyTo(target);
        }

        @Override
        public void onError(Throwable error) {
          // The sender has gone.
        }

        @Override
        public void onCompleted() {
          credits.onCompleted();
        }
      };
    }
  }

  /** Sends all of a buffer, {@code repeats} times, in messages of a size; returns when the peer has copied it. */
  void send(String address, ByteBuffer payload, int messageBytes, int repeats)
      throws InterruptedException, ExecutionException, TimeoutException {
    ManagedChannel channel =
        channels.computeIfAbsent(
            address, target -> NettyChannelBuilder.forTarget(target).usePlaintext().build());
    var sender = new Sender();
    ExchangeGrpc.newStub(channel).stream(sender);
    int messages = payload.capacity() / messageBytes;
    for (int i = 0; i < messages * repeats; i++) {
      sender.awaitReady();
      int offset = i % messages * messageBytes;
      ByteBuffer part = payload.duplicate().position(offset).limit(offset + messageBytes);
      sender
          .call()
          .onNext(
              ExchangeMessage.newBuilder()
                  .setChunk(
                      ExchangeChunk.newBuilder()
                          .setOffsetBytes(offset)
                          .setPayload(ByteString.copyFrom(part)))
                  .build());
    }
    sender.call().onCompleted();
    sender.end.get(WAIT_SECONDS, TimeUnit.SECONDS);
  }

  private static final class Sender
      implements ClientResponseObserver<ExchangeMessage, ExchangeCredit> {
    final CompletableFuture<Void> end = new CompletableFuture<>();
    private final CompletableFuture<ClientCallStreamObserver<ExchangeMessage>> started =
        new CompletableFuture<>();
    private final Semaphore ready = new Semaphore(0);

    ClientCallStreamObserver<ExchangeMessage> call() {
      return started.join();
    }

    void awaitReady() throws InterruptedException, TimeoutException {
      while (!call().isReady() && !end.isDone()) {
        if (!ready.tryAcquire(WAIT_SECONDS, TimeUnit.SECONDS)) {
          throw new TimeoutException("The peer took no message for %d s".formatted(WAIT_SECONDS));
        }
      }
    }

    @Override
    public void beforeStart(ClientCallStreamObserver<ExchangeMessage> requests) {
      requests.setOnReadyHandler(ready::release);
      started.complete(requests);
    }

    @Override
    public void onNext(ExchangeCredit credit) {
      // None are sent.
    }

    @Override
    public void onError(Throwable error) {
      end.completeExceptionally(error);
      ready.release();
    }

    @Override
    public void onCompleted() {
      end.complete(null);
    }
  }
}
