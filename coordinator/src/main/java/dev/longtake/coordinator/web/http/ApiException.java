package dev.longtake.coordinator.web.http;

import io.grpc.Status;
import java.io.Serial;

/** A request that is refused before it becomes a call, or for a reason that calls don't have. */
public final class ApiException extends RuntimeException {
  @Serial private static final long serialVersionUID = 1L;

  private final transient ApiError error;

  public ApiException(int httpStatus, Status.Code status, String reason, String message) {
    super(message);
    this.error = ApiError.of(httpStatus, status, reason, message);
  }

  ApiError error() {
    return error;
  }
}
