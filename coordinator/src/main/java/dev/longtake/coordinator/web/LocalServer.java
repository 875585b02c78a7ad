package dev.longtake.coordinator.web;

import io.grpc.Channel;
import io.grpc.ManagedChannel;
import io.grpc.Server;
import io.grpc.inprocess.InProcessChannelBuilder;
import io.grpc.inprocess.InProcessServerBuilder;
import java.io.IOException;
import java.io.UncheckedIOException;

/** The shared services for callers in this process, behind the same interceptors as for those outside. */
final class LocalServer implements AutoCloseable {
  private final Server server;
  private final ManagedChannel channel;

  private LocalServer(Server server, ManagedChannel channel) {
    this.server = server;
    this.channel = channel;
  }

  static LocalServer start(SharedServices shared) {
    String name = InProcessServerBuilder.generateName();
    InProcessServerBuilder builder =
        InProcessServerBuilder.forName(name)
            .executor(shared.executor())
            .addService(shared.health().getHealthService());
    shared.services().forEach(builder::addService);
    // gRPC calls the one that was added last first.
    shared.interceptors().reversed().forEach(builder::intercept);
    try {
      Server server = builder.build().start();
      return new LocalServer(
          server, InProcessChannelBuilder.forName(name).executor(shared.executor()).build());
    } catch (IOException e) {
      // The name is this one's alone.
      throw new UncheckedIOException(e);
    }
  }

  Channel channel() {
    return channel;
  }

  /** Cuts off what is under way. */
  @Override
  public void close() {
    channel.shutdownNow();
    server.shutdownNow();
  }
}
