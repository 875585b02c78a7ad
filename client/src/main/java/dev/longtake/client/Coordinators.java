package dev.longtake.client;

import io.grpc.Channel;
import io.grpc.ClientInterceptor;
import io.grpc.ClientInterceptors;
import io.grpc.ManagedChannel;
import io.grpc.netty.NettyChannelBuilder;
import io.netty.handler.ssl.SslContext;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * Connections to the coordinators of a cluster, of which one leads. All calls go to the same one until it fails; then to the next. Thread-safe.
 */
final class Coordinators implements AutoCloseable {
  private static final int MAX_MESSAGE_BYTES = 64 << 20;
  private static final long KEEP_ALIVE_SECONDS = 10;
  private static final long CLOSE_SECONDS = 5;

  private final List<String> addresses;
  private final List<ManagedChannel> channels;
  private final List<Channel> calls;
  private final AtomicInteger current = new AtomicInteger();

  /**
   * Connects on first use.
   *
   * @param addresses {@code host:port} each, at least one
   * @param tls null for plain text
   * @param apiKey shown with every call; empty for none
   * @param interceptors of every call, the first one first
   * @throws LongtakeClientException INVALID_REQUEST when one of them is none
   */
  Coordinators(
      List<String> addresses,
      @Nullable SslContext tls,
      String apiKey,
      List<ClientInterceptor> interceptors) {
    addresses.forEach(Coordinators::requireAddress);
    this.addresses = List.copyOf(addresses);
    this.channels = addresses.stream().map(address -> connect(address, tls)).toList();
    this.calls =
        channels.stream()
            .map(channel ->
                ClientInterceptors.interceptForward(ApiKey.with(apiKey, channel), interceptors))
            .toList();
  }

  private static int port(String address) {
    try {
      return Integer.parseInt(address.substring(address.lastIndexOf(':') + 1));
    } catch (NumberFormatException e) {
      return -1;
    }
  }

  private static void requireAddress(String address) {
    int port = port(address);
    if (address.lastIndexOf(':') < 1 || port < 1 || port > 65535) {
      throw new LongtakeClientException(
          LongtakeClientException.INVALID_REQUEST,
          "address",
          "Expected the coordinator's address as host:port with a port of 1 to 65535, but got '%s'"
              .formatted(address),
          null);
    }
  }

  private static ManagedChannel connect(String address, @Nullable SslContext tls) {
    NettyChannelBuilder channel =
        NettyChannelBuilder.forAddress(
            address.substring(0, address.lastIndexOf(':')), port(address));
    return (tls == null ? channel.usePlaintext() : channel.sslContext(tls))
        .maxInboundMessageSize(MAX_MESSAGE_BYTES)
        .keepAliveTime(KEEP_ALIVE_SECONDS, TimeUnit.SECONDS)
        .keepAliveTimeout(KEEP_ALIVE_SECONDS, TimeUnit.SECONDS)
        .build();
  }

  /** All of them, as they are given on the command line. */
  String addresses() {
    return String.join(",", addresses);
  }

  boolean areSeveral() {
    return channels.size() > 1;
  }

  /** The one that calls go to now, as a number for {@link #channel} and {@link #leave}. */
  int current() {
    return current.get();
  }

  Channel channel(int number) {
    return calls.get(number);
  }

  /** Calls go to the next one from now on, unless another call that failed has seen to that. */
  void leave(int number) {
    current.compareAndSet(number, (number + 1) % channels.size());
  }

  /** Else gRPC's own pauses, which grow to minutes, would come on top of ours. */
  void resetConnectBackoff() {
    channels.forEach(ManagedChannel::resetConnectBackoff);
  }

  /** Ends all connections; calls in flight fail. */
  @Override
  public void close() {
    channels.forEach(ManagedChannel::shutdownNow);
    try {
      for (ManagedChannel channel : channels) {
        channel.awaitTermination(CLOSE_SECONDS, TimeUnit.SECONDS);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
