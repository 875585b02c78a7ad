package dev.longtake.common.rpc;

import io.grpc.netty.GrpcHttp2ConnectionHandler;
import io.grpc.netty.InternalProtocolNegotiator.ProtocolNegotiator;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerAdapter;
import io.netty.channel.ChannelHandlerContext;
import io.netty.util.AsciiString;
import java.util.concurrent.atomic.AtomicInteger;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Closes connections that are more than a server takes, before anything is read from them. gRPC-Java has no setting for it. */
final class FewConnections implements ProtocolNegotiator {
  private static final Logger log = LoggerFactory.getLogger(FewConnections.class);

  private final ProtocolNegotiator negotiator;
  private final int limit;
  private final AtomicInteger open = new AtomicInteger();

  FewConnections(ProtocolNegotiator negotiator, int limit) {
    this.negotiator = negotiator;
    this.limit = limit;
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
        int now = open.incrementAndGet();
        var _ = context.channel().closeFuture().addListener(_ -> open.decrementAndGet());
        if (now > limit) {
          log.warn("A connection was closed, since {} are open; that is the limit", limit);
          var _ = context.close();
        } else {
          context.pipeline().replace(this, null, next);
        }
      }
    };
  }

  @Override
  public void close() {
    negotiator.close();
  }
}
