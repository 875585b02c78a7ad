package dev.longtake.worker.exchange.wire;

import dev.longtake.v1.ExchangeHello;
import dev.longtake.v1.ExchangeMessage;
import io.grpc.protobuf.ProtoUtils;
import java.io.InputStream;

/** What a sender hands to gRPC. */
public sealed interface OutgoingMessage permits OutgoingMessage.Generated, OutgoingChunk {
  /** Its bytes, an {@code ExchangeMessage}. */
  InputStream bytes();

  /** The first message of a stream. */
  static OutgoingMessage hello(ExchangeHello hello) {
    return new Generated(ExchangeMessage.newBuilder().setHello(hello).build());
  }

  /** One without a payload, as the generated classes write it. */
  record Generated(ExchangeMessage message) implements OutgoingMessage {
    private static final io.grpc.MethodDescriptor.Marshaller<ExchangeMessage> MARSHALLER =
        ProtoUtils.marshaller(ExchangeMessage.getDefaultInstance());

    @Override
    public InputStream bytes() {
      return MARSHALLER.stream(message);
    }
  }
}
