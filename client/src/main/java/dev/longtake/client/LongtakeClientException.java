package dev.longtake.client;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import io.grpc.Status;
import io.grpc.protobuf.StatusProto;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A call that failed. The message is one line for people: what was wrong, the value, what is allowed, what to do. The
 * reason is for programs and never changes its meaning.
 */
public final class LongtakeClientException extends RuntimeException {
  /** Nothing answers at the coordinator's address, or not with TLS as the client does. */
  public static final String UNREACHABLE = "UNREACHABLE";

  /** The coordinator at the address is a standby; the message names the one that leads, where that is known. */
  public static final String NOT_LEADER = "NOT_LEADER";

  /** The coordinator did not answer within the client's deadline. */
  public static final String TIMED_OUT = "TIMED_OUT";

  /** A field of the request is outside what is allowed; {@link #field()} names it. */
  public static final String INVALID_REQUEST = "INVALID_REQUEST";

  /** The cluster asks for a key, and the client has none that it knows. */
  public static final String UNAUTHENTICATED = "UNAUTHENTICATED";

  /** The client's key does not allow the call. */
  public static final String PERMISSION_DENIED = "PERMISSION_DENIED";

  /** The key's tenant has as many jobs as it may; submit again when one has ended. */
  public static final String QUOTA_EXCEEDED = "QUOTA_EXCEEDED";

  /** The job is in a state in which the call makes no sense. */
  public static final String WRONG_STATE = "WRONG_STATE";

  /** The job or the call was cancelled. */
  public static final String CANCELED = "CANCELED";

  /** The downloaded bytes are not the video the coordinator described. */
  public static final String CHECKSUM_MISMATCH = "CHECKSUM_MISMATCH";

  /** A file on this computer cannot be read or written. */
  public static final String LOCAL_FILE = "LOCAL_FILE";

  /** A failure on the server's side that is neither of ours; the message has its gRPC status. */
  public static final String INTERNAL = "INTERNAL";

  private static final String DOMAIN = "longtake.dev";
  private static final long serialVersionUID = 1L;

  private final String reason;
  private final @Nullable String field;

  public LongtakeClientException(String reason, String message) {
    this(reason, null, message, null);
  }

  LongtakeClientException(
      String reason, @Nullable String field, String message, @Nullable Throwable cause) {
    super(message, cause);
    this.reason = reason;
    this.field = field;
  }

  /**
   * What a failed call means.
   *
   * @param address the coordinator's, for messages
   */
  static LongtakeClientException of(Throwable failure, String address) {
    com.google.rpc.Status details = StatusProto.fromThrowable(failure);
    Status status = Status.fromThrowable(failure);
    ErrorInfo info = details == null ? null : detail(details, ErrorInfo.class);
    if (details != null && info != null && info.getDomain().equals(DOMAIN)) {
      BadRequest request = detail(details, BadRequest.class);
      String field =
          request == null || request.getFieldViolationsCount() == 0
              ? null
              : request.getFieldViolations(0).getField();
      return new LongtakeClientException(
          info.getReason(), field, oneLine(details.getMessage()), failure);
    }
    Optional<String> tls = ClientTls.reason(failure);
    if (tls.isPresent()) {
      return new LongtakeClientException(
          UNREACHABLE,
          null,
          "Expected a Longtake coordinator at %s that this client may call, but %s; use certificates of the cluster's authority (--tls-cert, --tls-key, --tls-ca), or none when it speaks plain text"
              .formatted(address, tls.get()),
          failure);
    }
    return switch (status.getCode()) {
      case UNAVAILABLE ->
          new LongtakeClientException(
              UNREACHABLE,
              null,
              "Expected a Longtake coordinator at %s, but nothing answers there (%s); start one with 'longtake up' or correct the address"
                  .formatted(address, innermostMessage(failure)),
              failure);
      case DEADLINE_EXCEEDED ->
          new LongtakeClientException(
              TIMED_OUT,
              null,
              "Expected an answer from %s in time, but the call's deadline passed"
                  .formatted(address),
              failure);
      case CANCELLED ->
          new LongtakeClientException(CANCELED, null, "The call was cancelled", failure);
      default -> {
        String description = status.getDescription();
        yield new LongtakeClientException(
            INTERNAL,
            null,
            "Call to %s failed with %s%s"
                .formatted(
                    address,
                    status.getCode(),
                    description == null ? "" : ": " + oneLine(description)),
            failure);
      }
    };
  }

  private static <M extends com.google.protobuf.Message> @Nullable M detail(
      com.google.rpc.Status status, Class<M> type) {
    for (Any detail : status.getDetailsList()) {
      if (detail.is(type)) {
        try {
          return detail.unpack(type);
        } catch (InvalidProtocolBufferException e) {
          return null;
        }
      }
    }
    return null;
  }

  static String innermostMessage(Throwable failure) {
    Throwable innermost = failure;
    while (innermost.getCause() != null) {
      innermost = innermost.getCause();
    }
    String message = innermost.getMessage();
    return message == null ? innermost.getClass().getSimpleName() : oneLine(message);
  }

  private static String oneLine(String text) {
    return text.lines().map(String::strip).reduce((a, b) -> a + " " + b).orElse("");
  }

  /** For programs: the server's {@code ErrorInfo} reason, or one of this class's constants. */
  public String reason() {
    return reason;
  }

  /** The field of the request that was wrong, by its name in the proto, if one was. */
  public Optional<String> field() {
    return Optional.ofNullable(field);
  }

  /** Never null, unlike a {@link Throwable}'s in general. */
  @Override
  public String getMessage() {
    return String.valueOf(super.getMessage());
  }
}
