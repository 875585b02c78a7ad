package dev.longtake.common.rpc;

import io.grpc.netty.GrpcHttp2ConnectionHandler;
import io.grpc.netty.InternalProtocolNegotiator.ProtocolNegotiator;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerAdapter;
import io.netty.channel.ChannelHandlerContext;
import io.netty.handler.codec.ByteToMessageDecoder;
import io.netty.handler.codec.http2.Http2ConnectionAdapter;
import io.netty.handler.codec.http2.Http2Settings;
import io.netty.handler.codec.http2.Http2Stream;
import io.netty.util.AsciiString;

/**
 * Lets clients send HTTP/2 frames larger than the 16 KiB they may send unasked (RFC 9113, SETTINGS_MAX_FRAME_SIZE): a tensor's chunk is
 * then one frame and not dozens. gRPC-Java has no setting for it, so the server says so itself once a client opens a stream.
 */
final class LargeFrames implements ProtocolNegotiator {
  private final ProtocolNegotiator negotiator;
  private final int maxFrameBytes;

  /**
   * Adds to what another negotiator does.
   *
   * @param maxFrameBytes 16,384 to 16,777,215
   */
  LargeFrames(ProtocolNegotiator negotiator, int maxFrameBytes) {
    this.negotiator = negotiator;
    this.maxFrameBytes = maxFrameBytes;
  }

  @Override
  public AsciiString scheme() {
    return negotiator.scheme();
  }

  @Override
  public ChannelHandler newHandler(GrpcHttp2ConnectionHandler http2) {
    ChannelHandler next = negotiator.newHandler(http2);
    return new ChannelHandlerAdapter() {
      @Override
      public void handlerAdded(ChannelHandlerContext context) {
        // What is read after the first part of a frame is put beside it, not copied behind it.
        http2.setCumulator(ByteToMessageDecoder.COMPOSITE_CUMULATOR);
        http2.connection().addListener(new OnFirstStream(http2, context.channel()));
        context.pipeline().replace(this, null, next);
      }
    };
  }

  @Override
  public void close() {
    negotiator.close();
  }

  private final class OnFirstStream extends Http2ConnectionAdapter {
    private final GrpcHttp2ConnectionHandler http2;
    private final Channel channel;
    private boolean isTold;

    OnFirstStream(GrpcHttp2ConnectionHandler http2, Channel channel) {
      this.http2 = http2;
      this.channel = channel;
    }

    @Override
    public void onStreamAdded(Http2Stream stream) {
      if (!isTold) {
        isTold = true;
        ChannelHandlerContext context = channel.pipeline().context(http2);
        var _ =
            http2
                .encoder()
                .writeSettings(
                    context, new Http2Settings().maxFrameSize(maxFrameBytes), context.newPromise());
      }
    }
  }
}
