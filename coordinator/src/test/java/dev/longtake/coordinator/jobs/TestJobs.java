package dev.longtake.coordinator.jobs;

import com.google.protobuf.ByteString;
import dev.longtake.common.tracing.Tracing;
import dev.longtake.coordinator.artifacts.JobArtifacts;
import dev.longtake.coordinator.database.JobDatabase;
import dev.longtake.coordinator.database.SqlJobDatabase;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.JobEvent;
import dev.longtake.v1.ModelCard;
import dev.longtake.v1.Priority;
import dev.longtake.v1.Tensor;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Random;

/** Stores in a folder, and jobs for them. */
public final class TestJobs {
  private TestJobs() {}

  /** A store with its database in the folder; opened again, it has the same jobs. */
  public static JobStore store(Path folder, int queueLimit, InstantSource clock) {
    return store(database(folder), folder, queueLimit, clock);
  }

  static JobDatabase database(Path folder) {
    return SqlJobDatabase.sqlite(folder.resolve("jobs.db"));
  }

  static JobStore store(JobDatabase database, Path folder, int queueLimit, InstantSource clock) {
    return JobStore.open(database, artifacts(folder), queueLimit, clock, new Random(1), meters());
  }

  static JobMeters meters() {
    return new JobMeters(new SimpleMeterRegistry(), Tracing.off());
  }

  static JobArtifacts artifacts(Path folder) {
    try {
      return new JobArtifacts(
          Files.createDirectories(folder.resolve("jobs")),
          Files.createDirectories(folder.resolve("videos")),
          () -> true);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** An event. */
  static JobEvent.Builder step(int step) {
    return JobEvent.newBuilder().setStepDone(JobEvent.StepDone.newBuilder().setStep(step));
  }

  /** A job of nobody in particular. */
  public static NewJob job() {
    return job("", Priority.PRIORITY_NORMAL, "", Optional.empty());
  }

  static NewJob job(String tenant, Priority priority, String key, Optional<Duration> deadline) {
    return job(terms(tenant, priority, key, deadline, /* maxTenantJobs= */ OptionalInt.empty()));
  }

  /** A job of a tenant that may have so many. */
  static NewJob limited(String tenant, int maxTenantJobs) {
    return job(
        terms(
            tenant, Priority.PRIORITY_NORMAL, "", Optional.empty(), OptionalInt.of(maxTenantJobs)));
  }

  private static NewJob.Terms terms(
      String tenant,
      Priority priority,
      String key,
      Optional<Duration> deadline,
      OptionalInt maxTenantJobs) {
    return new NewJob.Terms(
        new NewJob.IdempotencyKey(tenant, key),
        priority,
        deadline,
        maxTenantJobs,
        ByteString.copyFromUtf8("digest"));
  }

  private static NewJob job(NewJob.Terms terms) {
    return new NewJob(
        GenerationRequest.newBuilder().setWidth(16).setHeight(16).setFrames(4).setSteps(10).build(),
        ModelCard.getDefaultInstance(),
        new EncodedPrompt(
            new EncodedPrompt.Text(List.of(1, 2), Tensor.newBuilder().addShape(2).build()),
            Optional.empty(),
            List.of(),
            /* encoderRuns= */ 1),
        Duration.ZERO,
        terms,
        Optional.empty());
  }
}
