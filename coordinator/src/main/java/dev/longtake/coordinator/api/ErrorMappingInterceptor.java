package dev.longtake.coordinator.api;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.rpc.GrpcErrors;
import io.grpc.BindableService;
import io.grpc.ForwardingServerCall.SimpleForwardingServerCall;
import io.grpc.ForwardingServerCallListener.SimpleForwardingServerCallListener;
import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.ServerInterceptors;
import io.grpc.Status;
import io.grpc.StatusException;
import io.grpc.StatusRuntimeException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The one place where failures of calls become statuses, and where they are logged: who must act decides the level.
 * Services throw a {@link LongtakeException} or pass it to {@code onError}.
 *
 * <p>Messages of user errors are not logged, since they may quote the request; prompts never reach the log.
 */
public final class ErrorMappingInterceptor implements ServerInterceptor {
  private static final Logger log = LoggerFactory.getLogger(ErrorMappingInterceptor.class);

  /** The service with this mapping around it. */
  public static BindableService around(BindableService service) {
    ErrorMappingInterceptor mapping = new ErrorMappingInterceptor();
    return () -> ServerInterceptors.intercept(service, mapping);
  }

  @Override
  public <Q, R> ServerCall.Listener<Q> interceptCall(
      ServerCall<Q, R> call, Metadata headers, ServerCallHandler<Q, R> next) {
    MappingCall<Q, R> mapped = new MappingCall<>(call);
    try {
      return new MappingListener<>(next.startCall(mapped, headers), mapped);
    } catch (RuntimeException e) {
      mapped.fail(e);
      return new ServerCall.Listener<>() {};
    }
  }

  private static void log(String method, Throwable failure) {
    if (!(failure instanceof LongtakeException e)) {
      log.error("{} failed by our mistake", method, failure);
      return;
    }
    switch (e.code().category()) {
      case USER -> log.debug("{}: {} {}", method, e.code(), e.field().orElse(""));
      case RESOURCES -> log.info("{}: {}: {}", method, e.code(), e.getMessage());
      case CLUSTER -> log.warn("{}: {}: {}", method, e.code(), e.getMessage());
      case US -> log.error("{}: {}", method, ErrorCode.INTERNAL, e);
    }
  }

  /** Replaces the status of a failure that a service passed to {@code onError}. */
  private static final class MappingCall<Q, R> extends SimpleForwardingServerCall<Q, R> {
    private boolean closed; // guarded by this

    MappingCall(ServerCall<Q, R> call) {
      super(call);
    }

    @Override
    public void close(Status status, Metadata trailers) {
      Throwable cause = status.getCause();
      if (status.isOk() || cause == null || isStatus(cause)) {
        closeOnce(status, trailers);
      } else {
        fail(cause);
      }
    }

    void fail(Throwable failure) {
      log(getMethodDescriptor().getFullMethodName(), failure);
      StatusRuntimeException mapped = GrpcErrors.toStatus(failure);
      Metadata trailers = mapped.getTrailers();
      closeOnce(mapped.getStatus(), trailers == null ? new Metadata() : trailers);
    }

    private static boolean isStatus(Throwable failure) {
      return failure instanceof StatusRuntimeException || failure instanceof StatusException;
    }

    private void closeOnce(Status status, Metadata trailers) {
      synchronized (this) {
        if (closed) {
          return;
        }
        closed = true;
      }
      super.close(status, trailers);
    }
  }

  /** Turns what a service throws into the end of its call. */
  private static final class MappingListener<Q, R> extends SimpleForwardingServerCallListener<Q> {
    private final MappingCall<Q, R> call;

    MappingListener(ServerCall.Listener<Q> listener, MappingCall<Q, R> call) {
      super(listener);
      this.call = call;
    }

    @Override
    public void onMessage(Q message) {
      guard(() -> super.onMessage(message));
    }

    @Override
    public void onHalfClose() {
      guard(super::onHalfClose);
    }

    @Override
    public void onReady() {
      guard(super::onReady);
    }

    @Override
    public void onCancel() {
      guard(super::onCancel);
    }

    @Override
    public void onComplete() {
      guard(super::onComplete);
    }

    private void guard(Runnable event) {
      try {
        event.run();
      } catch (RuntimeException e) {
        call.fail(e);
      }
    }
  }
}
