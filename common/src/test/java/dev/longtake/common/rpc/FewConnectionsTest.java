package dev.longtake.common.rpc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.grpc.ManagedChannel;
import io.grpc.Server;
import io.grpc.StatusRuntimeException;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.netty.InternalProtocolNegotiators;
import io.grpc.netty.NettyServerBuilder;
import io.grpc.protobuf.services.HealthStatusManager;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** A server that takes two connections. */
final class FewConnectionsTest {
  private Server server;
  private final List<ManagedChannel> channels = new ArrayList<>();

  @BeforeEach
  void start() throws Exception {
    server =
        NettyServerBuilder.forAddress(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))
            .protocolNegotiator(
                new FewConnections(InternalProtocolNegotiators.serverPlaintext(), 2))
            .addService(new HealthStatusManager().getHealthService())
            .build()
            .start();
  }

  @AfterEach
  void stop() {
    channels.forEach(ManagedChannel::shutdownNow);
    server.shutdownNow();
  }

  /** Over a connection of its own. */
  private ServingStatus check() {
    ManagedChannel channel = Endpoints.connect("127.0.0.1:" + server.getPort());
    channels.add(channel);
    return HealthGrpc.newBlockingStub(channel)
        .withDeadlineAfter(30, TimeUnit.SECONDS)
        .check(HealthCheckRequest.getDefaultInstance())
        .getStatus();
  }

  @Test
  void shouldCloseAConnectionWhenThereAreAsManyAsItTakes() throws Exception {
    assertThat(check()).isEqualTo(ServingStatus.SERVING);
    assertThat(check()).isEqualTo(ServingStatus.SERVING);

    assertThatThrownBy(this::check).isInstanceOf(StatusRuntimeException.class);

    channels.getFirst().shutdownNow();
    assertThat(channels.getFirst().awaitTermination(30, TimeUnit.SECONDS)).isTrue();
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
    while (!isServed()) {
      assertThat(System.nanoTime()).as("the place is free again").isLessThan(deadline);
    }
  }

  private boolean isServed() {
    try {
      return check() == ServingStatus.SERVING;
    } catch (StatusRuntimeException e) {
      channels.removeLast().shutdownNow();
      return false;
    }
  }
}
