package dev.longtake.coordinator.jobs;

import static org.assertj.core.api.Assertions.assertThat;

import dev.longtake.v1.Plan;
import dev.longtake.v1.Priority;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class FairQueueTest {
  @TempDir Path folder;

  private Instant now = Instant.parse("2026-11-26T12:00:00Z");
  private JobStore store;

  @BeforeEach
  void open() {
    store = TestJobs.store(folder, 10_000, () -> now);
  }

  @AfterEach
  void close() {
    store.close();
  }

  private JobEntry submit(String tenant, Priority priority) {
    now = now.plusMillis(1);
    return store.submit(TestJobs.job(tenant, priority, "", Optional.empty()));
  }

  private JobEntry submit(String tenant) {
    return submit(tenant, Priority.PRIORITY_NORMAL);
  }

  private JobEntry start() throws InterruptedException {
    JobEntry next = store.awaitTurns(Duration.ZERO).getFirst();
    store.start(next, Plan.getDefaultInstance(), List.of("w0"));
    return next;
  }

  private List<String> tenantsInTurn(int count) throws InterruptedException {
    List<String> tenants = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      JobEntry next = start();
      tenants.add(next.tenant());
      store.end(next, new Outcome.Canceled());
    }
    return tenants;
  }

  @Test
  void shouldGiveTenantsEqualSharesHoweverManyJobsTheySubmit() throws Exception {
    for (int i = 0; i < 20; i++) {
      submit("heavy");
    }
    assertThat(tenantsInTurn(4)).containsOnly("heavy");
    submit("light");
    submit("light");

    assertThat(tenantsInTurn(5))
        .as("idle time earned nothing, and both get every other turn")
        .containsExactly("heavy", "light", "heavy", "light", "heavy");
  }

  @Test
  void shouldLetPriorityOvertakeButNobodyStarve() throws Exception {
    JobEntry low = submit("", Priority.PRIORITY_LOW);
    JobEntry normal = submit("");
    JobEntry high = submit("", Priority.PRIORITY_HIGH);
    assertThat(List.of(start(), start())).containsExactly(high, normal);

    now = now.plus(FairQueue.OVERTAKES.multipliedBy(2));
    JobEntry laterHigh = submit("", Priority.PRIORITY_HIGH);

    assertThat(List.of(start(), start())).containsExactly(low, laterHigh);
  }

  @Test
  void shouldPutAJobThatLostItsWorkersInFront() throws Exception {
    JobEntry lost = submit("a");
    submit("b");
    assertThat(start()).isSameAs(lost);
    JobEntry high = submit("a", Priority.PRIORITY_HIGH);

    store.requeue(lost, 1, "worker w0 was lost", 0, 1);

    assertThat(start()).isSameAs(lost);
    assertThat(start().tenant()).as("the turn that a tenant has had counts once").isEqualTo("b");
    assertThat(start()).isSameAs(high);
  }

  @Test
  void shouldTellOnlyTheFirstOfManyTheirPlaces() throws Exception {
    List<JobEntry> jobs = new ArrayList<>();
    for (int i = 0; i < 300; i++) {
      jobs.add(submit("t" + i % 7));
    }

    for (int i = 0; i < 200; i++) {
      store.end(start(), new Outcome.Canceled());
    }

    int events = jobs.stream().mapToInt(JobEntry::eventCount).sum();
    assertThat(events).as("not one per job and change").isLessThan(300 * (JobStore.FRONT + 4));
    assertThat(store.counts()).isEqualTo(new JobCounts(100, 0));
  }
}
