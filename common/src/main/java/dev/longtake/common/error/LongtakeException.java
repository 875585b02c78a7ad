package dev.longtake.common.error;

import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A failure with a stable code. The message is one line for the person who must act: what was wrong, the value, what is
 * allowed, what to do.
 */
public final class LongtakeException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final ErrorCode code;
  private final @Nullable String field;

  public LongtakeException(ErrorCode code, String message) {
    this(code, message, null, null);
  }

  public LongtakeException(ErrorCode code, String message, @Nullable Throwable cause) {
    this(code, message, null, cause);
  }

  private LongtakeException(
      ErrorCode code, String message, @Nullable String field, @Nullable Throwable cause) {
    super(message, cause);
    this.code = code;
    this.field = field;
  }

  /** A request whose {@code field} (its name in the proto) is wrong. */
  public static LongtakeException invalidField(String field, String message) {
    return new LongtakeException(ErrorCode.INVALID_REQUEST, message, field, null);
  }

  public ErrorCode code() {
    return code;
  }

  /** The request field that was wrong, if one was. */
  public Optional<String> field() {
    return Optional.ofNullable(field);
  }

  /** Never null, unlike a {@link Throwable}'s in general. */
  @Override
  public String getMessage() {
    return String.valueOf(super.getMessage());
  }
}
