package dev.longtake.limits;

/** A field of a request that is outside what is allowed. The message says what was expected and what came. */
public final class InvalidFieldException extends IllegalArgumentException {
  private static final long serialVersionUID = 1L;

  private final String field;

  /**
   * An exception with a message for people.
   *
   * @param field by its name in the proto, with dots for parts
   */
  public InvalidFieldException(String field, String message) {
    super(message);
    this.field = field;
  }

  /** By its name in the proto, with dots for parts. */
  public String field() {
    return field;
  }

  /** Never null, unlike a {@link Throwable}'s in general. */
  @Override
  public String getMessage() {
    return String.valueOf(super.getMessage());
  }
}
