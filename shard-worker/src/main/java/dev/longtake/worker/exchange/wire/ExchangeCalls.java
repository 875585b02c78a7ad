package dev.longtake.worker.exchange.wire;

import dev.longtake.common.rpc.NonBlockingService;
import dev.longtake.v1.ExchangeCredit;
import dev.longtake.v1.ExchangeGrpc;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.MethodDescriptor;
import io.grpc.ServerServiceDefinition;
import io.grpc.ServiceDescriptor;
import io.grpc.protobuf.ProtoUtils;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.ServerCalls;
import io.grpc.stub.StreamObserver;
import java.io.InputStream;
import java.util.function.Function;

/** The calls of the generated {@code Exchange} service with our own marshalling of chunks. */
public final class ExchangeCalls {
  private static final MethodDescriptor.Marshaller<ExchangeCredit> CREDITS =
      ProtoUtils.marshaller(ExchangeCredit.getDefaultInstance());

  private static final MethodDescriptor<OutgoingMessage, ExchangeCredit> SENDING =
      ExchangeGrpc.getStreamMethod().toBuilder(new Outgoing(), CREDITS).build();

  private static final MethodDescriptor<IncomingMessage, ExchangeCredit> RECEIVING =
      ExchangeGrpc.getStreamMethod().toBuilder(new Incoming(), CREDITS).build();

  /**
   * Credits say when to send, so nobody asks gRPC whether it is ready. With its 32 KiB each chunk would make it busy, and then ready,
   * which it tells in a dozen objects.
   */
  private static final int ON_READY_BYTES = Integer.MAX_VALUE / 2;

  private ExchangeCalls() {}

  /**
   * Opens a stream to a peer.
   *
   * @param credits called by gRPC's own threads, which must not be blocked
   */
  public static void send(Channel channel, StreamObserver<ExchangeCredit> credits) {
    var options =
        CallOptions.DEFAULT.withExecutor(Runnable::run).withOnReadyThreshold(ON_READY_BYTES);
    var call = channel.newCall(SENDING, options);
    ClientCalls.asyncBidiStreamingCall(call, credits);
  }

  /**
   * The service that takes streams in.
   *
   * @param streams makes the observer of a stream from the one for its credits
   */
  public static NonBlockingService service(
      Function<StreamObserver<ExchangeCredit>, StreamObserver<IncomingMessage>> streams) {
    var generated = ExchangeGrpc.getServiceDescriptor();
    var descriptor =
        ServiceDescriptor.newBuilder(generated.getName())
            .setSchemaDescriptor(generated.getSchemaDescriptor())
            .addMethod(RECEIVING)
            .build();
    ServerServiceDefinition definition =
        ServerServiceDefinition.builder(descriptor)
            .addMethod(RECEIVING, ServerCalls.asyncBidiStreamingCall(streams::apply))
            .build();
    return () -> definition;
  }

  private static final class Outgoing implements MethodDescriptor.Marshaller<OutgoingMessage> {
    @Override
    public InputStream stream(OutgoingMessage message) {
      return message.bytes();
    }

    @Override
    public OutgoingMessage parse(InputStream stream) {
      throw new UnsupportedOperationException("Expected a sender only to send");
    }
  }

  private static final class Incoming implements MethodDescriptor.Marshaller<IncomingMessage> {
    @Override
    public InputStream stream(IncomingMessage message) {
      throw new UnsupportedOperationException("Expected a receiver only to receive");
    }

    @Override
    public IncomingMessage parse(InputStream stream) {
      return IncomingMessage.read(stream);
    }
  }
}
