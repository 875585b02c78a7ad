package dev.longtake.coordinator.access;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.rpc.ApiKeyOption;
import dev.longtake.common.rpc.Bearer;
import dev.longtake.common.rpc.GrpcErrors;
import io.grpc.Contexts;
import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/** Asks of every call whose key it shows and whether that may make it, before anybody looks at the request. */
public final class AccessInterceptor implements ServerInterceptor {
  private final Access access;

  public AccessInterceptor(Access access) {
    this.access = access;
  }

  @Override
  public <Q, A> ServerCall.Listener<Q> interceptCall(
      ServerCall<Q, A> call, Metadata headers, ServerCallHandler<Q, A> next) {
    String method = call.getMethodDescriptor().getFullMethodName();
    if (access.isOpen() || Permissions.isOpen(method)) {
      return Contexts.interceptCall(Caller.ANYONE.inContext(), call, headers, next);
    }
    Optional<String> secret = Bearer.of(headers);
    Optional<Caller> caller = secret.flatMap(access::caller);
    if (caller.isEmpty()) {
      return refuse(
          call,
          ErrorCode.UNAUTHENTICATED,
          "Expected a key that this coordinator knows, but %s; give one with --api-key-file, in %s, or with the client's apiKey"
              .formatted(
                  secret.isEmpty() ? "the call shows none" : "it does not know the call's",
                  ApiKeyOption.VARIABLE));
    }
    Role role = caller.get().role();
    if (!Permissions.allows(role, method)) {
      return refuse(
          call,
          ErrorCode.PERMISSION_DENIED,
          "Expected a key that may call %s, but key '%s' is a %s's; ask an operator"
              .formatted(method, caller.get().name(), role.name().toLowerCase(Locale.ROOT)));
    }
    return Contexts.interceptCall(caller.get().inContext(), call, headers, next);
  }

  private static <Q, A> ServerCall.Listener<Q> refuse(
      ServerCall<Q, A> call, ErrorCode code, String message) {
    return GrpcErrors.refuse(call, GrpcErrors.toStatus(code, message, Map.of()));
  }
}
