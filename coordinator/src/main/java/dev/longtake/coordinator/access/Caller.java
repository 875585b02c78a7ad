package dev.longtake.coordinator.access;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.error.Quoted;
import io.grpc.Context;
import java.util.Objects;
import java.util.OptionalInt;

/**
 * Who makes a call.
 *
 * @param name of the key, for people
 * @param tenant whose jobs they are; for operators, whose they are unless they say so
 * @param maxJobs that the tenant may have waiting and running; empty for no limit
 */
public record Caller(String name, Role role, String tenant, OptionalInt maxJobs) {
  /** Anybody, where a coordinator has no keys. */
  static final Caller ANYONE = new Caller("anyone", Role.OPERATOR, "", OptionalInt.empty());

  private static final Context.Key<Caller> KEY = Context.key("caller");

  /**
   * Who makes the call that this thread serves.
   *
   * @throws IllegalStateException outside of a call that {@link AccessInterceptor} let in
   */
  public static Caller current() {
    return Objects.requireNonNull(KEY.get(), "Expected a call that was let in, but this is none");
  }

  /** The current context with this caller in it. */
  Context inContext() {
    return Context.current().withValue(KEY, this);
  }

  /** Whether a tenant's jobs are this caller's to see, fetch and cancel. */
  public boolean sees(String jobsTenant) {
    return role == Role.OPERATOR || tenant.equals(jobsTenant);
  }

  /**
   * Whose a new job is.
   *
   * @param asked empty: the caller's own
   * @throws LongtakeException PERMISSION_DENIED when it is another one's
   */
  public String tenantFor(String asked) {
    if (asked.isEmpty()) {
      return tenant;
    }
    if (!sees(asked)) {
      throw new LongtakeException(
          ErrorCode.PERMISSION_DENIED,
          "Expected a job for tenant '%s', which key '%s' belongs to, but got tenant %s; leave it out"
              .formatted(tenant, name, Quoted.of(asked)));
    }
    return asked;
  }
}
