package dev.longtake.coordinator.web.http;

import com.google.gson.JsonObject;
import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import dev.longtake.common.rpc.GrpcErrors;
import io.grpc.Status;
import io.grpc.StatusException;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.util.Map;

/**
 * How a request failed.
 *
 * @param httpStatus 400 to 599
 * @param status of the call, or what it would have been
 * @param reason stable, for programs: an {@code ErrorCode}, or what HTTP alone knows
 * @param message one line for the person who must act
 * @param field of the request that was wrong; empty for none
 * @param metadata of the reason, for example the leader's address
 */
public record ApiError(
    int httpStatus,
    Status.Code status,
    String reason,
    String message,
    String field,
    Map<String, String> metadata) {
  public ApiError {
    metadata = Map.copyOf(metadata);
  }

  /** One that only HTTP knows. */
  static ApiError of(int httpStatus, Status.Code status, String reason, String message) {
    return new ApiError(httpStatus, status, reason, message, /* field= */ "", Map.of());
  }

  /** What a failure means for whoever made the request; nothing of our mistakes but that there was one. */
  public static ApiError of(Throwable failure) {
    if (failure instanceof ApiException e) {
      return e.error();
    }
    Throwable call = failure instanceof StatusException ? failure : GrpcErrors.toStatus(failure);
    Status status = Status.fromThrowable(call);
    String reason = status.getCode().name();
    String field = "";
    Map<String, String> metadata = Map.of();
    com.google.rpc.Status details = StatusProto.fromThrowable(call);
    if (details != null) {
      for (Any detail : details.getDetailsList()) {
        try {
          if (detail.is(ErrorInfo.class)) {
            reason = detail.unpack(ErrorInfo.class).getReason();
            metadata = detail.unpack(ErrorInfo.class).getMetadataMap();
          } else if (detail.is(BadRequest.class)) {
            field = detail.unpack(BadRequest.class).getFieldViolations(0).getField();
          }
        } catch (InvalidProtocolBufferException e) {
          // Only this process made it.
          throw new IllegalStateException(e);
        }
      }
    }
    String description = status.getDescription();
    return new ApiError(
        httpStatus(status.getCode()),
        status.getCode(),
        reason,
        description == null ? reason : description,
        field,
        metadata);
  }

  /** Whether the failure is ours, and was not told to anybody yet. */
  static boolean isOurMistake(Throwable failure) {
    return !(failure instanceof ApiException
        || failure instanceof StatusException
        || failure instanceof StatusRuntimeException
        || failure instanceof dev.longtake.common.error.LongtakeException);
  }

  /** As google.rpc.Code maps them. */
  private static int httpStatus(Status.Code code) {
    return switch (code) {
      case OK -> 200;
      case INVALID_ARGUMENT, FAILED_PRECONDITION, OUT_OF_RANGE -> 400;
      case UNAUTHENTICATED -> 401;
      case PERMISSION_DENIED -> 403;
      case NOT_FOUND -> 404;
      case ALREADY_EXISTS, ABORTED -> 409;
      case RESOURCE_EXHAUSTED -> 429;
      case CANCELLED -> 499;
      case UNKNOWN, INTERNAL, DATA_LOSS -> 500;
      case UNIMPLEMENTED -> 501;
      case UNAVAILABLE -> 503;
      case DEADLINE_EXCEEDED -> 504;
    };
  }

  /** The body of the answer. */
  public JsonObject json() {
    JsonObject error = new JsonObject();
    error.addProperty("code", httpStatus);
    error.addProperty("status", status.name());
    error.addProperty("reason", reason);
    error.addProperty("message", message);
    if (!field.isEmpty()) {
      error.addProperty("field", field);
    }
    if (!metadata.isEmpty()) {
      JsonObject values = new JsonObject();
      metadata.forEach(values::addProperty);
      error.add("metadata", values);
    }
    JsonObject body = new JsonObject();
    body.add("error", error);
    return body;
  }
}
