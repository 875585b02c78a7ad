package dev.longtake.coordinator.api;

import com.google.protobuf.ByteString;
import com.google.protobuf.util.Durations;
import dev.longtake.common.digest.Sha256;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.error.Quoted;
import dev.longtake.coordinator.access.Caller;
import dev.longtake.coordinator.jobs.NewJob;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.Priority;
import dev.longtake.v1.SubmitRequest;
import java.time.Duration;
import java.util.Optional;
import java.util.regex.Pattern;

/** How a job is to be treated, as a client asks for it. */
final class SubmitTerms {
  private static final int MAX_KEY_CHARS = 128;
  private static final Pattern TENANT = Pattern.compile("[A-Za-z0-9._-]{0,64}");
  private static final Duration MAX_DEADLINE = Duration.ofDays(365);

  private SubmitTerms() {}

  /**
   * @throws LongtakeException INVALID_REQUEST naming the field, PERMISSION_DENIED when it is another's tenant
   */
  static NewJob.Terms of(SubmitRequest request, Caller caller) {
    String key = request.getIdempotencyKey();
    if (key.length() > MAX_KEY_CHARS) {
      throw LongtakeException.invalidField(
          "idempotency_key",
          "Expected at most %d characters, but got %d".formatted(MAX_KEY_CHARS, key.length()));
    }
    if (!TENANT.matcher(request.getTenant()).matches()) {
      throw LongtakeException.invalidField(
          "tenant",
          "Expected up to 64 letters, digits, '.', '_' and '-', but got %s"
              .formatted(Quoted.of(request.getTenant())));
    }
    return new NewJob.Terms(
        new NewJob.IdempotencyKey(caller.tenantFor(request.getTenant()), key),
        priority(request),
        deadline(request),
        caller.maxJobs(),
        digest(request.getRequest()));
  }

  private static Priority priority(SubmitRequest request) {
    return switch (request.getPriority()) {
      case PRIORITY_UNSPECIFIED, PRIORITY_NORMAL -> Priority.PRIORITY_NORMAL;
      case PRIORITY_LOW -> Priority.PRIORITY_LOW;
      case PRIORITY_HIGH -> Priority.PRIORITY_HIGH;
      case UNRECOGNIZED ->
          throw LongtakeException.invalidField(
              "priority",
              "Expected low, normal or high (1 to 3), but got %d"
                  .formatted(request.getPriorityValue()));
    };
  }

  private static Optional<Duration> deadline(SubmitRequest request) {
    if (!request.hasDeadline()) {
      return Optional.empty();
    }
    boolean valid =
        Durations.isValid(request.getDeadline())
            && Durations.isPositive(request.getDeadline())
            && request.getDeadline().getSeconds() <= MAX_DEADLINE.toSeconds();
    if (!valid) {
      throw LongtakeException.invalidField(
          "deadline",
          "Expected a time of more than nothing and at most %d days, but got %d s and %d ns"
              .formatted(
                  MAX_DEADLINE.toDays(),
                  request.getDeadline().getSeconds(),
                  request.getDeadline().getNanos()));
    }
    return Optional.of(Duration.ofNanos(Durations.toNanos(request.getDeadline())));
  }

  private static ByteString digest(GenerationRequest request) {
    return ByteString.copyFrom(Sha256.of(request.toByteArray()));
  }
}
