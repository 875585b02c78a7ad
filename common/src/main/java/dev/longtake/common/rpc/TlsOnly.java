package dev.longtake.common.rpc;

import dev.longtake.common.tls.TlsFailures;
import io.grpc.netty.GrpcHttp2ConnectionHandler;
import io.grpc.netty.InternalProtocolNegotiator.ProtocolNegotiator;
import io.grpc.netty.InternalProtocolNegotiators;
import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerAdapter;
import io.netty.channel.ChannelHandlerContext;
import io.netty.handler.codec.ByteToMessageDecoder;
import io.netty.handler.codec.http2.Http2Error;
import io.netty.handler.codec.http2.Http2FrameTypes;
import io.netty.handler.ssl.SslContext;
import io.netty.util.AsciiString;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/**
 * TLS for a server that tells callers who speak plain text so: gRPC alone closes their connection, and they see a "network closed for
 * unknown reason".
 */
final class TlsOnly implements ProtocolNegotiator {
  /** HTTP/2 begins with {@code PRI}, TLS with the byte 22. */
  private static final byte PLAIN_TEXT = 'P';

  /** For the caller to read the answer and close by itself: closing first could take the answer with it. */
  private static final long CLOSE_SECONDS = 1;

  private final Supplier<SslContext> context;
  private final AsciiString scheme;

  /** @param context asked for each connection */
  TlsOnly(Supplier<SslContext> context) {
    this.context = context;
    this.scheme = InternalProtocolNegotiators.serverTls(context.get()).scheme();
  }

  @Override
  public AsciiString scheme() {
    return scheme;
  }

  @Override
  public ChannelHandler newHandler(GrpcHttp2ConnectionHandler http2) {
    ChannelHandler next = InternalProtocolNegotiators.serverTls(context.get()).newHandler(http2);
    return new ChannelHandlerAdapter() {
      @Override
      public void handlerAdded(ChannelHandlerContext context) {
        context.pipeline().addBefore(context.name(), null, new FirstByte());
        context.pipeline().replace(this, null, next);
      }
    };
  }

  @Override
  public void close() {
    // Each connection's part has ended with it.
  }

  /** Steps aside for TLS, and keeps anything else from what follows. */
  private static final class FirstByte extends ByteToMessageDecoder {
    private boolean isRefused;

    @Override
    protected void decode(ChannelHandlerContext context, ByteBuf in, List<Object> out) {
      if (isRefused) {
        in.skipBytes(in.readableBytes());
      } else if (in.getByte(in.readerIndex()) == PLAIN_TEXT) {
        isRefused = true;
        in.skipBytes(in.readableBytes());
        var _ = context.writeAndFlush(goAway(context));
        Runnable close =
            () -> {
              var _ = context.close();
            };
        var _ = context.executor().schedule(close, CLOSE_SECONDS, TimeUnit.SECONDS);
      } else {
        // What was read goes on with it.
        context.pipeline().remove(this);
      }
    }

    /** Empty settings, which must come first, and the reason. */
    private static ByteBuf goAway(ChannelHandlerContext context) {
      byte[] reason = TlsFailures.PLAIN_TEXT_REFUSED.getBytes(StandardCharsets.US_ASCII);
      ByteBuf frames = context.alloc().buffer();
      writeHeader(frames, 0, Http2FrameTypes.SETTINGS);
      writeHeader(frames, 2 * Integer.BYTES + reason.length, Http2FrameTypes.GO_AWAY);
      int lastServedStream = 0;
      return frames
          .writeInt(lastServedStream)
          .writeInt((int) Http2Error.INADEQUATE_SECURITY.code())
          .writeBytes(reason);
    }

    private static void writeHeader(ByteBuf to, int payloadBytes, byte type) {
      int flags = 0;
      int connection = 0;
      to.writeMedium(payloadBytes).writeByte(type).writeByte(flags).writeInt(connection);
    }
  }
}
