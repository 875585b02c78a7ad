package dev.longtake.client.cli;

import com.google.protobuf.Duration;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.Priority;
import dev.longtake.v1.SubmitRequest;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/** How a job is to be treated, for picocli's {@code @Mixin}. */
final class SubmitOptions {
  @Option(
      names = "--tenant",
      paramLabel = "NAME",
      defaultValue = "",
      description = "Whose job it is; tenants get equal shares of the workers.")
  String tenant = "";

  @Option(
      names = "--priority",
      paramLabel = "low|normal|high",
      converter = PriorityConverter.class,
      description = "Among the jobs of the tenant (default: normal).")
  @Nullable Priority priority;

  @Option(
      names = "--deadline",
      paramLabel = "SECONDS",
      description = "The job fails when it has not ended by then (default: none).")
  @Nullable Long deadlineSeconds;

  SubmitRequest toSubmit(GenerationRequest request) {
    SubmitRequest.Builder submit = SubmitRequest.newBuilder().setRequest(request).setTenant(tenant);
    if (priority != null) {
      submit.setPriority(priority);
    }
    if (deadlineSeconds != null) {
      submit.setDeadline(Duration.newBuilder().setSeconds(deadlineSeconds));
    }
    return submit.build();
  }

  /** {@code low}, {@code normal} or {@code high}. */
  static final class PriorityConverter implements ITypeConverter<Priority> {
    @Override
    public Priority convert(String value) {
      return switch (value) {
        case "low" -> Priority.PRIORITY_LOW;
        case "normal" -> Priority.PRIORITY_NORMAL;
        case "high" -> Priority.PRIORITY_HIGH;
        default ->
            throw new TypeConversionException(
                "Expected low, normal or high, but got '%s'".formatted(value));
      };
    }
  }
}
