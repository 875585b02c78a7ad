package dev.longtake.common.rpc;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.tls.TlsFailures;
import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** The one place where failures become gRPC statuses and back. */
public final class GrpcErrors {
  /** The {@code ErrorInfo} domain of every Longtake failure. */
  public static final String DOMAIN = "longtake.dev";

  /**
   * Of a message in UTF-8. It travels three times in headers, escaped, of which clients take 8 KiB; what is longer would reach them as
   * "http2 exception".
   */
  private static final int MAX_MESSAGE_BYTES = 1200;

  private GrpcErrors() {}

  /**
   * The status a call ends with: for a {@link LongtakeException} its code with {@code ErrorInfo} (and {@code BadRequest}
   * where a field was wrong), for a gRPC failure that failure, for anything else INTERNAL without the details.
   */
  public static StatusRuntimeException toStatus(Throwable failure) {
    return switch (failure) {
      case StatusRuntimeException status -> status;
      case LongtakeException e -> toStatus(e);
      default ->
          toStatus(
              new LongtakeException(
                  ErrorCode.INTERNAL,
                  "Internal error ("
                      + failure.getClass().getSimpleName()
                      + "); the server's log has the details"));
    };
  }

  /** The status of a failure whose {@code ErrorInfo} has metadata. */
  public static StatusRuntimeException toStatus(
      ErrorCode code, String message, Map<String, String> metadata) {
    return StatusProto.toStatusRuntimeException(status(code, message, metadata).build());
  }

  /** Ends a call that nobody serves; for interceptors and handlers to return. */
  public static <Q> ServerCall.Listener<Q> refuse(
      ServerCall<Q, ?> call, StatusRuntimeException refusal) {
    Metadata trailers = refusal.getTrailers();
    call.close(refusal.getStatus(), trailers == null ? new Metadata() : trailers);
    return new ServerCall.Listener<>() {};
  }

  private static com.google.rpc.Status.Builder status(
      ErrorCode code, String message, Map<String, String> metadata) {
    return com.google.rpc.Status.newBuilder()
        .setCode(code.status().value())
        .setMessage(cut(message))
        .addDetails(
            Any.pack(
                ErrorInfo.newBuilder()
                    .setDomain(DOMAIN)
                    .setReason(code.name())
                    .putAllMetadata(metadata)
                    .build()));
  }

  private static StatusRuntimeException toStatus(LongtakeException e) {
    var status = status(e.code(), e.getMessage(), Map.of());
    e.field()
        .ifPresent(field ->
            status.addDetails(
                Any.pack(
                    BadRequest.newBuilder()
                        .addFieldViolations(
                            BadRequest.FieldViolation.newBuilder()
                                .setField(field)
                                .setDescription(cut(e.getMessage())))
                        .build())));
    return StatusProto.toStatusRuntimeException(status.build());
  }

  private static String cut(String message) {
    int bytes = 0;
    int end = 0;
    while (end < message.length()) {
      int codePoint = message.codePointAt(end);
      bytes += Character.toString(codePoint).getBytes(StandardCharsets.UTF_8).length;
      if (bytes > MAX_MESSAGE_BYTES) {
        return message.substring(0, end) + "…";
      }
      end += Character.charCount(codePoint);
    }
    return message;
  }

  /**
   * What a failed call to another Longtake process means here. A failure without our {@code ErrorInfo} keeps its
   * description and becomes UNREACHABLE, TIMED_OUT, CANCELED or INTERNAL by its status. Where TLS is the reason, that is said.
   *
   * @param peer whom the call went to, for the message; for example {@code "worker w1 at 127.0.0.1:7401"}
   */
  public static LongtakeException fromStatus(Throwable failure, String peer) {
    Optional<ErrorInfo> info = errorInfo(failure);
    Status status = Status.fromThrowable(failure);
    String description = status.getDescription();
    if (info.isPresent()) {
      ErrorCode code = byName(info.get().getReason());
      return new LongtakeException(code, description == null ? code.name() : description, failure);
    }
    Optional<String> tls = TlsFailures.reason(failure);
    if (tls.isPresent()) {
      return new LongtakeException(ErrorCode.UNREACHABLE, peer + ": " + tls.get(), failure);
    }
    ErrorCode code =
        switch (status.getCode()) {
          case UNAVAILABLE -> ErrorCode.UNREACHABLE;
          case DEADLINE_EXCEEDED -> ErrorCode.TIMED_OUT;
          case CANCELLED -> ErrorCode.CANCELED;
          default -> ErrorCode.INTERNAL;
        };
    return new LongtakeException(
        code,
        peer
            + ": "
            + status.getCode()
            + (description == null ? "" : " (" + description.lines().findFirst().orElse("") + ")"),
        failure);
  }

  private static Optional<ErrorInfo> errorInfo(Throwable failure) {
    com.google.rpc.Status status = details(failure);
    if (status == null) {
      return Optional.empty();
    }
    for (Any detail : status.getDetailsList()) {
      if (detail.is(ErrorInfo.class)) {
        try {
          ErrorInfo info = detail.unpack(ErrorInfo.class);
          return info.getDomain().equals(DOMAIN) ? Optional.of(info) : Optional.empty();
        } catch (InvalidProtocolBufferException e) {
          return Optional.empty();
        }
      }
    }
    return Optional.empty();
  }

  private static com.google.rpc.@Nullable Status details(Throwable failure) {
    try {
      return StatusProto.fromThrowable(failure);
    } catch (IllegalArgumentException e) {
      // Details that are no protobuf: what is left is the status itself.
      return null;
    }
  }

  private static ErrorCode byName(String reason) {
    return Arrays.stream(ErrorCode.values())
        .filter(code -> code.name().equals(reason))
        .findFirst()
        .orElse(ErrorCode.INTERNAL);
  }
}
