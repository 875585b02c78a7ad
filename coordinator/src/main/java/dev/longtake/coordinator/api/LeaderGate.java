package dev.longtake.coordinator.api;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.rpc.GrpcErrors;
import dev.longtake.v1.ClusterGrpc;
import dev.longtake.v1.GenerationGrpc;
import io.grpc.BindableService;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.ServerCall;
import io.grpc.ServerMethodDefinition;
import io.grpc.ServerServiceDefinition;
import io.grpc.ServiceDescriptor;
import io.grpc.StatusRuntimeException;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The services of a coordinator's port: those of the term while it leads, else a refusal that names who does. Thread-safe.
 */
public final class LeaderGate {
  private record Open(Map<String, ServerServiceDefinition> services, BooleanSupplier isLeading) {}

  private final Supplier<Optional<String>> leaderAddress;
  private volatile @Nullable Open open;

  /**
   * Closed at first.
   *
   * @param leaderAddress of the coordinator that leads, where it is known
   */
  public LeaderGate(Supplier<Optional<String>> leaderAddress) {
    this.leaderAddress = leaderAddress;
  }

  /** What the server serves, all the time. */
  public List<BindableService> services() {
    return List.of(
        () -> MessageCheck.around(gated(GenerationGrpc.getServiceDescriptor())),
        () -> MessageCheck.around(gated(ClusterGrpc.getServiceDescriptor())));
  }

  /**
   * From now on calls go to these.
   *
   * @param isLeading asked for each call: a term may be over before anybody closes the gate
   */
  public void open(List<BindableService> services, BooleanSupplier isLeading) {
    open =
        new Open(
            services.stream()
                .map(BindableService::bindService)
                .collect(
                    Collectors.toMap(
                        service -> service.getServiceDescriptor().getName(), Function.identity())),
            isLeading);
  }

  /** From now on new calls are refused. */
  public void close() {
    open = null;
  }

  private ServerServiceDefinition gated(ServiceDescriptor service) {
    ServerServiceDefinition.Builder gated = ServerServiceDefinition.builder(service);
    for (MethodDescriptor<?, ?> method : service.getMethods()) {
      add(gated, method);
    }
    return gated.build();
  }

  private <Q, A> void add(ServerServiceDefinition.Builder gated, MethodDescriptor<Q, A> method) {
    gated.addMethod(method, (call, headers) -> start(method, call, headers));
  }

  private <Q, A> ServerCall.Listener<Q> start(
      MethodDescriptor<Q, A> method, ServerCall<Q, A> call, Metadata headers) {
    Open now = open;
    ServerServiceDefinition service =
        now == null || !now.isLeading.getAsBoolean()
            ? null
            : now.services.get(method.getServiceName());
    if (service == null) {
      return GrpcErrors.refuse(call, refusal());
    }
    // Its types are the method's.
    @SuppressWarnings("unchecked")
    ServerMethodDefinition<Q, A> target =
        (ServerMethodDefinition<Q, A>) service.getMethod(method.getFullMethodName());
    return target.getServerCallHandler().startCall(call, headers);
  }

  private StatusRuntimeException refusal() {
    Optional<String> leader = leaderAddress.get();
    return GrpcErrors.toStatus(
        ErrorCode.NOT_LEADER,
        leader
            .map(address ->
                "Expected the coordinator that leads, but this one is a standby of %s; call that, or give the addresses of all (--coordinator A,B)"
                    .formatted(address))
            .orElse(
                "Expected the coordinator that leads, but this one does not, and knows of none;"
                    + " call again in a few seconds"),
        leader.map(address -> Map.of("leader", address)).orElse(Map.of()));
  }
}
