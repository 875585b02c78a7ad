package dev.longtake.coordinator.api;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.error.Quoted;
import dev.longtake.common.rpc.GrpcErrors;
import io.grpc.ForwardingServerCallListener.SimpleForwardingServerCallListener;
import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.ServerInterceptors;
import io.grpc.ServerServiceDefinition;
import io.grpc.StatusRuntimeException;

/**
 * Refuses requests whose bytes are no message, texts that are no UTF-8 included, as the caller's mistake; gRPC alone would end such a call
 * with UNKNOWN, and log it as ours.
 */
final class MessageCheck implements ServerInterceptor {
  private MessageCheck() {}

  /** The service with this check around it. */
  static ServerServiceDefinition around(ServerServiceDefinition service) {
    // Bytes then become messages behind the interceptor, where what that throws can be caught.
    return ServerInterceptors.intercept(
        ServerInterceptors.useInputStreamMessages(service), new MessageCheck());
  }

  @Override
  public <Q, A> ServerCall.Listener<Q> interceptCall(
      ServerCall<Q, A> call, Metadata headers, ServerCallHandler<Q, A> next) {
    return new SimpleForwardingServerCallListener<>(next.startCall(call, headers)) {
      private boolean isRefused;

      @Override
      public void onMessage(Q message) {
        if (isRefused) {
          return;
        }
        try {
          super.onMessage(message);
        } catch (StatusRuntimeException e) {
          isRefused = true;
          var _ = GrpcErrors.refuse(call, GrpcErrors.toStatus(noMessage(e)));
          // For the service it is over, too.
          super.onCancel();
        }
      }

      @Override
      public void onHalfClose() {
        if (!isRefused) {
          super.onHalfClose();
        }
      }

      @Override
      public void onCancel() {
        if (!isRefused) {
          super.onCancel();
        }
      }

      @Override
      public void onComplete() {
        if (!isRefused) {
          super.onComplete();
        }
      }
    };
  }

  private static LongtakeException noMessage(StatusRuntimeException failure) {
    Throwable cause = failure.getCause() == null ? failure : failure.getCause();
    return LongtakeException.invalidField(
        "request",
        "Expected the bytes of a message, but they are none: " + Quoted.line(cause.getMessage()));
  }
}
