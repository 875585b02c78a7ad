package dev.longtake.common.rpc;

import io.grpc.BindableService;
import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.ServerCallExecutorSupplier;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Executor;
import java.util.stream.Collectors;

/** Which thread runs a server's callbacks: the event loop for a {@link NonBlockingService}, the given threads for all others. */
final class CallThreads implements ServerCallExecutorSupplier {
  private final Executor executor;
  private final Set<String> nonBlocking;

  CallThreads(Executor executor, List<BindableService> services) {
    this.executor = executor;
    this.nonBlocking =
        services.stream()
            .filter(NonBlockingService.class::isInstance)
            .map(service -> service.bindService().getServiceDescriptor().getName())
            .collect(Collectors.toUnmodifiableSet());
  }

  @Override
  public <Q, A> Executor getExecutor(ServerCall<Q, A> call, Metadata metadata) {
    return nonBlocking.contains(call.getMethodDescriptor().getServiceName())
        ? Runnable::run
        : executor;
  }
}
