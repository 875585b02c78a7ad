package dev.longtake.coordinator.access;

import dev.longtake.v1.ClusterGrpc;
import dev.longtake.v1.GenerationGrpc;
import io.grpc.MethodDescriptor;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.reflection.v1.ServerReflectionGrpc;
import java.util.Map;
import java.util.Set;

/** Which role may call which method. What is not named here is nobody's. */
final class Permissions {
  private static final Set<Role> CLIENTS = Set.of(Role.USER, Role.OPERATOR);
  private static final Set<Role> OPERATORS = Set.of(Role.OPERATOR);
  private static final Set<Role> WORKERS = Set.of(Role.WORKER);

  private static final Map<String, Set<Role>> BY_METHOD =
      Map.ofEntries(
          entry(GenerationGrpc.getSubmitMethod(), CLIENTS),
          entry(GenerationGrpc.getWatchMethod(), CLIENTS),
          entry(GenerationGrpc.getGetMethod(), CLIENTS),
          entry(GenerationGrpc.getListMethod(), CLIENTS),
          entry(GenerationGrpc.getCancelMethod(), CLIENTS),
          entry(GenerationGrpc.getTraceMethod(), CLIENTS),
          entry(GenerationGrpc.getDownloadMethod(), CLIENTS),
          entry(GenerationGrpc.getStreamMethod(), CLIENTS),
          entry(GenerationGrpc.getPreviewsMethod(), CLIENTS),
          entry(GenerationGrpc.getContinuationMethod(), CLIENTS),
          entry(ClusterGrpc.getModelMethod(), CLIENTS),
          entry(ClusterGrpc.getExplainMethod(), CLIENTS),
          entry(ClusterGrpc.getStatusMethod(), OPERATORS),
          entry(ClusterGrpc.getDrainMethod(), OPERATORS),
          entry(ClusterGrpc.getJoinMethod(), WORKERS),
          entry(ServerReflectionGrpc.getServerReflectionInfoMethod(), CLIENTS));

  /** Load balancers and probes have no keys. */
  private static final Set<String> OPEN =
      Set.of(
          HealthGrpc.getCheckMethod().getFullMethodName(),
          HealthGrpc.getWatchMethod().getFullMethodName());

  private Permissions() {}

  private static Map.Entry<String, Set<Role>> entry(
      MethodDescriptor<?, ?> method, Set<Role> roles) {
    return Map.entry(method.getFullMethodName(), roles);
  }

  /** Whether a method needs no key. */
  static boolean isOpen(String fullMethodName) {
    return OPEN.contains(fullMethodName);
  }

  /** Whether a role may call a method. */
  static boolean allows(Role role, String fullMethodName) {
    return BY_METHOD.getOrDefault(fullMethodName, Set.of()).contains(role);
  }
}
