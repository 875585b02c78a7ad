package dev.longtake.coordinator.jobs;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.tracing.Tracing;
import dev.longtake.v1.Plan;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class JobMetersTest {
  @TempDir Path folder;

  private final SimpleMeterRegistry registry = new SimpleMeterRegistry();
  private final JobMeters meters = new JobMeters(registry, Tracing.off());

  private double transitions(String to) {
    return registry.get("longtake.job.transitions").tag("to", to).counter().count();
  }

  @Test
  void shouldTimeRecoveryFromTheLossToTheNextStep() throws Exception {
    Instant[] now = {Instant.parse("2026-01-01T00:00:00Z")};
    try (JobStore store =
        JobStore.open(
            TestJobs.database(folder),
            TestJobs.artifacts(folder),
            8,
            () -> now[0],
            new Random(1),
            meters)) {
      JobEntry entry = store.submit(TestJobs.job());
      store.start(entry, Plan.getDefaultInstance(), List.of("w1"));
      store.progress(entry, 1, TestJobs.step(1));
      store.requeue(entry, 1, "worker w1 was lost", 1, 0);
      now[0] = now[0].plusSeconds(2);
      store.start(entry, Plan.getDefaultInstance(), List.of("w2"));
      now[0] = now[0].plusSeconds(3);
      store.progress(entry, 2, TestJobs.step(2));
      store.progress(entry, 2, TestJobs.step(3));
      // A turn that is given is no loss.
      store.giveTurn(entry, 2, "it is others' turn");
      store.start(entry, Plan.getDefaultInstance(), List.of("w2"));
      store.progress(entry, 3, TestJobs.step(1));
      store.end(entry, new Outcome.Failed(ErrorCode.INTERNAL, "x"));
      assertThat(entry.awaitStored(Duration.ofSeconds(60))).isTrue();
    }
    var recovery = registry.get("longtake.recovery").timer();
    assertThat(recovery.count()).isEqualTo(1);
    assertThat(recovery.totalTime(TimeUnit.SECONDS)).isEqualTo(5);
    assertThat(transitions("queued")).isEqualTo(3);
    assertThat(transitions("running")).isEqualTo(3);
    assertThat(transitions("failed")).isEqualTo(1);
    assertThat(registry.get("longtake.database.write").timer().count()).isPositive();
  }

  @Test
  void shouldHaveAtMostFiftyTenants() {
    for (int i = 0; i < 80; i++) {
      meters.waited("tenant " + i, 1);
    }
    meters.waited("", 1);
    assertThat(registry.get("longtake.queue.wait").timers()).hasSize(51);
    assertThat(registry.get("longtake.queue.wait").tag("tenant", "other").timer().count())
        .isEqualTo(31);
    assertThat(registry.get("longtake.queue.wait").tag("tenant", "default").timer().count())
        .isEqualTo(1);
  }

  @Test
  void shouldCountEachEndFromTheStart() {
    for (ErrorCode code : ErrorCode.values()) {
      assertThat(
              registry
                  .get("longtake.attempts.ended")
                  .tag("reason", code.name().toLowerCase(java.util.Locale.ROOT))
                  .counter()
                  .count())
          .isZero();
    }
    meters.attemptFailed(ErrorCode.WORKER_LOST);
    meters.attemptEnded(JobMeters.AttemptEnd.DONE);
    assertThat(
            registry.get("longtake.attempts.ended").tag("reason", "worker_lost").counter().count())
        .isEqualTo(1);
    assertThat(registry.get("longtake.attempts.ended").tag("reason", "done").counter().count())
        .isEqualTo(1);
  }
}
