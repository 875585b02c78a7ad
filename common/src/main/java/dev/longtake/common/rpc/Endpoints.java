package dev.longtake.common.rpc;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.tls.TlsIdentity;
import io.grpc.BindableService;
import io.grpc.ManagedChannel;
import io.grpc.Server;
import io.grpc.ServerInterceptor;
import io.grpc.netty.InternalProtocolNegotiators;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.NettyServerBuilder;
import io.grpc.protobuf.services.HealthStatusManager;
import io.grpc.protobuf.services.ProtoReflectionServiceV1;
import io.netty.channel.AdaptiveRecvByteBufAllocator;
import io.netty.channel.ChannelOption;
import io.netty.channel.WriteBufferWaterMark;
import java.io.IOException;
import java.net.BindException;
import java.net.InetSocketAddress;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Servers and channels with the settings every Longtake process shares: mutual TLS or plain text, message size and flow-control window
 * for tensors, keep-alive that finds a dead peer, health and reflection.
 */
public final class Endpoints {
  /** Largest single message. Text embeddings (300 x 4096 floats) and chunks of frames are the largest we send. */
  public static final int MAX_MESSAGE_BYTES = 64 << 20;

  /** Auto-tuning stops at 8 MiB; fixed windows of 16 MiB and more carry large messages best (apache/pinot#18519). */
  private static final int FLOW_CONTROL_WINDOW_BYTES = 16 << 20;

  /** Of HTTP/2; see {@link LargeFrames}. A chunk of 1 MiB is one frame: each costs objects on both sides. */
  private static final int MAX_FRAME_BYTES = 2 << 20;

  /** Most that is read from a socket at once. */
  private static final int MAX_READ_BYTES = 256 << 10;

  /** What HTTP/2 hands to the socket before it waits for it; at Netty's 64 KiB it hands over a part of a frame at a time. */
  private static final int MAX_UNWRITTEN_BYTES = 4 << 20;

  /** Clients have one each, workers one for each peer. */
  private static final int MAX_CONNECTIONS = 4096;

  /** Of one client: more wait until others end. */
  private static final int MAX_CALLS_PER_CONNECTION = 2048;

  /** Of one call: a key and a few names. */
  private static final int MAX_HEADER_BYTES = 16 << 10;

  /** Clients that take their calls back faster only want to keep the server busy (CVE-2023-44487). */
  private static final int MAX_RESETS = 4096;

  private static final int RESET_WINDOW_SECONDS = 10;

  private static final long KEEP_ALIVE_SECONDS = 5;
  private static final long KEEP_ALIVE_TIMEOUT_SECONDS = 5;

  private Endpoints() {}

  /** A server in plain text; see {@link #serve(String, int, ExecutorService, HealthStatusManager, List, TlsIdentity)}. */
  public static Server serve(
      String host,
      int port,
      ExecutorService executor,
      HealthStatusManager health,
      List<BindableService> services) {
    return serve(host, port, executor, health, services, /* tls= */ null);
  }

  /** A server whose calls nobody intercepts. */
  public static Server serve(
      String host,
      int port,
      ExecutorService executor,
      HealthStatusManager health,
      List<BindableService> services,
      @Nullable TlsIdentity tls) {
    return serve(host, port, executor, health, services, tls, /* interceptors= */ List.of());
  }

  /**
   * Starts a server. The caller owns it and shuts it down; {@code executor} and {@code health} are the caller's too.
   *
   * @param port 0 for any free one
   * @param tls refuses callers without a trusted certificate; null for plain text
   * @param interceptors see every call, health and reflection included, the first one first
   * @throws LongtakeException PORT_IN_USE
   */
  public static Server serve(
      String host,
      int port,
      ExecutorService executor,
      HealthStatusManager health,
      List<BindableService> services,
      @Nullable TlsIdentity tls,
      List<ServerInterceptor> interceptors) {
    var builder =
        NettyServerBuilder.forAddress(new InetSocketAddress(host, port))
            .protocolNegotiator(
                new FewConnections(
                    new LargeFrames(
                        tls == null
                            ? InternalProtocolNegotiators.serverPlaintext()
                            : new TlsOnly(tls::server),
                        MAX_FRAME_BYTES),
                    MAX_CONNECTIONS))
            .callExecutor(new CallThreads(executor, services))
            .executor(executor)
            .withChildOption(
                ChannelOption.RECVBUF_ALLOCATOR,
                new AdaptiveRecvByteBufAllocator(1024, 16 << 10, MAX_READ_BYTES))
            .maxInboundMessageSize(MAX_MESSAGE_BYTES)
            .maxInboundMetadataSize(MAX_HEADER_BYTES)
            .maxConcurrentCallsPerConnection(MAX_CALLS_PER_CONNECTION)
            .maxRstFramesPerWindow(MAX_RESETS, RESET_WINDOW_SECONDS)
            .flowControlWindow(FLOW_CONTROL_WINDOW_BYTES)
            .keepAliveTime(KEEP_ALIVE_SECONDS, TimeUnit.SECONDS)
            .keepAliveTimeout(KEEP_ALIVE_TIMEOUT_SECONDS, TimeUnit.SECONDS)
            .permitKeepAliveTime(1, TimeUnit.SECONDS)
            .permitKeepAliveWithoutCalls(true)
            .addService(health.getHealthService())
            .addService(ProtoReflectionServiceV1.newInstance());
    services.forEach(builder::addService);
    // gRPC calls the one that was added last first.
    interceptors.reversed().forEach(builder::intercept);
    try {
      return builder.build().start();
    } catch (IOException e) {
      if (hasBindException(e)) {
        throw new LongtakeException(
            ErrorCode.PORT_IN_USE,
            "Expected port %d of %s to be free, but another process listens there or the address is not this host's; choose another with --port (0 for any free one)"
                .formatted(port, host),
            e);
      }
      throw new LongtakeException(
          ErrorCode.INTERNAL,
          "Cannot listen on %s:%d: %s".formatted(host, port, e.getMessage()),
          e);
    }
  }

  private static boolean hasBindException(Throwable failure) {
    for (Throwable t = failure; t != null; t = t.getCause()) {
      // Java's sockets have classes for it, Netty's epoll says it in words: "bind(..) failed ...".
      boolean isNative =
          t instanceof IOException && String.valueOf(t.getMessage()).contains("bind(");
      if (isNative || t instanceof BindException || t instanceof java.net.SocketException) {
        return true;
      }
    }
    return false;
  }

  /** A channel in plain text; see {@link #connect(String, TlsIdentity)}. */
  public static ManagedChannel connect(String address) {
    return connect(address, /* tls= */ null);
  }

  /**
   * A channel to {@code host:port}; it connects on first use. The caller owns it.
   *
   * @param tls refuses servers whose certificate is not trusted or names another host; null for plain text
   * @throws LongtakeException INVALID_REQUEST when the address has no host or no valid port
   */
  public static ManagedChannel connect(String address, @Nullable TlsIdentity tls) {
    return channel(address, tls).build();
  }

  /**
   * As {@link #connect(String, TlsIdentity)}, but no call is tried again: each message of such a call passes through fewer hands. For
   * streams, whose owner learns of their end.
   */
  public static ManagedChannel connectOnce(String address, @Nullable TlsIdentity tls) {
    return channel(address, tls).disableRetry().build();
  }

  private static NettyChannelBuilder channel(String address, @Nullable TlsIdentity tls) {
    requireAddress(address);
    var builder = NettyChannelBuilder.forTarget(address);
    return (tls == null ? builder.usePlaintext() : builder.sslContext(tls.client()))
        .withOption(ChannelOption.ALLOCATOR, MessageBuffers.INSTANCE)
        .withOption(
            ChannelOption.WRITE_BUFFER_WATER_MARK,
            new WriteBufferWaterMark(MAX_UNWRITTEN_BYTES / 2, MAX_UNWRITTEN_BYTES))
        .maxInboundMessageSize(MAX_MESSAGE_BYTES)
        .flowControlWindow(FLOW_CONTROL_WINDOW_BYTES)
        .keepAliveTime(KEEP_ALIVE_SECONDS, TimeUnit.SECONDS)
        .keepAliveTimeout(KEEP_ALIVE_TIMEOUT_SECONDS, TimeUnit.SECONDS);
  }

  /**
   * Checks the form of an address without connecting.
   *
   * @throws LongtakeException INVALID_REQUEST unless {@code address} is {@code host:port} with a port of 1 to 65535
   */
  public static void requireAddress(String address) {
    int colon = address.lastIndexOf(':');
    boolean valid = colon > 0;
    if (valid) {
      try {
        int port = Integer.parseInt(address.substring(colon + 1));
        valid = port >= 1 && port <= 65535;
      } catch (NumberFormatException e) {
        valid = false;
      }
    }
    if (!valid) {
      throw LongtakeException.invalidField(
          "address",
          "Expected an address as host:port with a port of 1 to 65535, but got '%s'"
              .formatted(address));
    }
  }
}
