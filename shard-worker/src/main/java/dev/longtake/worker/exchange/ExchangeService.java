package dev.longtake.worker.exchange;

import dev.longtake.v1.ExchangeCredit;
import dev.longtake.v1.ExchangeGrpc;
import dev.longtake.v1.ExchangeMessage;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;

/** The gRPC service on each worker that takes in the streams of its peers. */
final class ExchangeService extends ExchangeGrpc.ExchangeImplBase {
  private final ExchangeHub hub;

  ExchangeService(ExchangeHub hub) {
    this.hub = hub;
  }

  @Override
  public StreamObserver<ExchangeMessage> stream(StreamObserver<ExchangeCredit> credits) {
    return new IncomingStream(hub, (ServerCallStreamObserver<ExchangeCredit>) credits);
  }
}
