package dev.longtake.worker.service;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.rpc.Bearer;
import dev.longtake.common.rpc.GrpcErrors;
import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.health.v1.HealthGrpc;
import java.util.Map;

/**
 * Lets only those call this worker who show its token: its coordinator, which heard it when the worker joined, and the peers that the
 * coordinator gave it to with an order. Health alone is open, for probes.
 */
final class TokenGuard implements ServerInterceptor {
  private final String token;

  TokenGuard(String token) {
    this.token = token;
  }

  @Override
  public <Q, A> ServerCall.Listener<Q> interceptCall(
      ServerCall<Q, A> call, Metadata headers, ServerCallHandler<Q, A> next) {
    boolean isOpen = HealthGrpc.SERVICE_NAME.equals(call.getMethodDescriptor().getServiceName());
    if (isOpen || Bearer.of(headers).filter(shown -> Bearer.same(shown, token)).isPresent()) {
      return next.startCall(call, headers);
    }
    return GrpcErrors.refuse(
        call,
        GrpcErrors.toStatus(
            ErrorCode.UNAUTHENTICATED,
            "Expected a call with this worker's token, which its coordinator alone has, but got one"
                + " without; call the coordinator instead",
            Map.of()));
  }
}
