package dev.longtake.worker.exchange.wire;

import dev.longtake.v1.ExchangeHello;
import dev.longtake.v1.ExchangeMessage;
import io.grpc.Detachable;
import io.grpc.Status;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.SequenceInputStream;
import java.io.UncheckedIOException;

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
    InputStream bytes = InputStream.nullInputStream();
    IncomingChunk chunk = null;
    try {
      // The stream gRPC passes is closed when this returns; a detached one is ours.
      bytes =
          message instanceof Detachable detachable
              ? detachable.detach()
              : new ByteArrayInputStream(message.readAllBytes());
      HeadReader head = HeadReader.ofThread();
      chunk = head.chunk(bytes);
      return chunk != null
          ? new Chunk(chunk)
          : parsed(ExchangeMessage.parseFrom(new SequenceInputStream(head.seen(), bytes)));
    } catch (IOException e) {
      throw Status.INTERNAL
          .withDescription(
              "Expected an ExchangeMessage, but got other bytes (%s); do all workers run the same version?"
                  .formatted(e.getMessage()))
          .withCause(e)
          .asRuntimeException();
    } finally {
      if (chunk == null || chunk.slot().isPresent()) {
        close(bytes);
      }
    }
  }

  private static void close(InputStream bytes) {
    try {
      bytes.close();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
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
