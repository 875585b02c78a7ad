package dev.longtake.coordinator.web;

import io.grpc.BindableService;
import io.grpc.ServerInterceptor;
import io.grpc.protobuf.services.HealthStatusManager;
import java.util.List;
import java.util.concurrent.Executor;

/**
 * What answers behind the gRPC port, and behind HTTP just so. All of it is the caller's.
 *
 * @param interceptors see every call, the first one first
 * @param executor runs calls
 */
public record SharedServices(
    List<BindableService> services,
    HealthStatusManager health,
    List<ServerInterceptor> interceptors,
    Executor executor) {
  public SharedServices {
    services = List.copyOf(services);
    interceptors = List.copyOf(interceptors);
  }
}
