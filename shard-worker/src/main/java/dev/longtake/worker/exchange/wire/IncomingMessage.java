package dev.longtake.worker.exchange.wire;

import com.google.protobuf.InvalidProtocolBufferException;
import dev.longtake.v1.ExchangeHello;
import dev.longtake.v1.ExchangeMessage;
import io.grpc.Detachable;
import io.grpc.Status;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.SequenceInputStream;

/** What a receiver gets from gRPC. */
public sealed interface IncomingMessage {
  /** The first message of a stream. */
  record Hello(ExchangeHello hello) implements IncomingMessage {}

  /** Owns buffers; whoever gets it closes it. */
  record Chunk(IncomingChunk chunk) implements IncomingMessage {}

  /** A message of a kind that this version does not know, or none. */
  record Unknown() implements IncomingMessage {}

  /**
   * Takes a message over from gRPC. Only what comes before a chunk's payload is read; the payload stays in the buffers it arrived in.
   *
   * @throws io.grpc.StatusRuntimeException INTERNAL when the bytes are no {@code ExchangeMessage}
   */
  static IncomingMessage read(InputStream message) {
    try {
      // The stream gRPC passes is closed when this returns; a detached one is ours.
      InputStream bytes =
          message instanceof Detachable detachable
              ? detachable.detach()
              : new ByteArrayInputStream(message.readAllBytes());
      HeadReader head = HeadReader.ofThread();
      IncomingChunk chunk = head.chunk(bytes);
      if (chunk != null) {
        return new Chunk(chunk);
      }
      try (bytes) {
        return parsed(ExchangeMessage.parseFrom(new SequenceInputStream(head.seen(), bytes)));
      }
    } catch (InvalidProtocolBufferException e) {
      throw Status.INTERNAL
          .withDescription("Expected an ExchangeMessage, but got other bytes: " + e.getMessage())
          .withCause(e)
          .asRuntimeException();
    } catch (IOException e) {
      throw Status.INTERNAL
          .withDescription("Expected an ExchangeMessage, but could not read it: " + e.getMessage())
          .withCause(e)
          .asRuntimeException();
    }
  }

  private static IncomingMessage parsed(ExchangeMessage message) {
    return switch (message.getMessageCase()) {
      case HELLO -> new Hello(message.getHello());
      case CHUNK -> new Chunk(IncomingChunk.of(message.getChunk()));
      case MESSAGE_NOT_SET -> new Unknown();
    };
  }
}
