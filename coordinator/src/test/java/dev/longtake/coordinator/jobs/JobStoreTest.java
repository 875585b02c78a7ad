package dev.longtake.coordinator.jobs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.protobuf.ByteString;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.v1.Job;
import dev.longtake.v1.JobEvent;
import dev.longtake.v1.JobState;
import dev.longtake.v1.JobTransition;
import dev.longtake.v1.Plan;
import dev.longtake.v1.Priority;
import dev.longtake.v1.Reuse;
import dev.longtake.v1.Video;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class JobStoreTest {
  @TempDir Path folder;

  private Instant now = Instant.parse("2026-11-22T12:00:00Z");
  private JobStore store;

  @BeforeEach
  void open() {
    store = TestJobs.store(folder, 3, () -> now);
  }

  @AfterEach
  void close() {
    store.close();
  }

  private void reopen() {
    store.close();
    open();
  }

  private JobEntry submit() {
    return store.submit(TestJobs.job());
  }

  private JobEntry running() {
    JobEntry entry = submit();
    assertThat(store.start(entry, Plan.getDefaultInstance(), List.of("w0"))).isTrue();
    return entry;
  }

  @Test
  void shouldGiveOutJobsInOrderWhenTheyWait() throws InterruptedException {
    JobEntry first = submit();
    JobEntry second = submit();

    assertThat(store.awaitTurns(Duration.ZERO)).containsExactly(first, second);
    store.start(first, Plan.getDefaultInstance(), List.of("w0"));
    assertThat(store.awaitTurns(Duration.ZERO)).containsExactly(second);
    assertThat(store.counts()).isEqualTo(new JobCounts(1, 1));
    store.end(first, new Outcome.Failed(ErrorCode.INTERNAL, "x"));
    store.cancel(second.id());
    assertThat(store.awaitTurns(Duration.ZERO)).isEmpty();
    assertThat(store.counts()).isEqualTo(new JobCounts(0, 0));
  }

  @Test
  void shouldRefuseWhenTheQueueIsFull() {
    running();
    submit();
    submit();
    submit();

    assertThatThrownBy(this::submit)
        .isInstanceOfSatisfying(
            LongtakeException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.QUEUE_FULL))
        .hasMessageContaining("3 of 3");
  }

  @Test
  void shouldTellWhenAJobMayStartWhenItIsKnownHowLongJobsTake() {
    JobEntry first = running();
    assertThat(startsIn(submit())).as("no job is done yet").isEmpty();
    now = now.plusSeconds(60);
    store.end(
        first,
        new Outcome.Done(
            Video.getDefaultInstance(), List.of(), List.of(), Reuse.getDefaultInstance()));
    assertThat(startsIn(submit())).as("none runs, one is before it").contains(60L);
    running();
    assertThat(startsIn(submit())).as("one runs, two are before it").contains(180L);
  }

  /** Seconds, as the job was told when it was queued. */
  private static Optional<Long> startsIn(JobEntry entry) {
    JobEvent.Queued told = entry.eventAfter(0).orElseThrow().getQueued();
    return told.hasStartsIn() ? Optional.of(told.getStartsIn().getSeconds()) : Optional.empty();
  }

  @Test
  void shouldKeepTheFirstEndWhenAnotherComes() {
    JobEntry entry = running();
    store.cancel(entry.id());

    assertThat(store.end(entry, new Outcome.Failed(ErrorCode.INTERNAL, "late"))).isFalse();
    assertThat(store.start(entry, Plan.getDefaultInstance(), List.of())).isFalse();
    store.progress(entry, 1, TestJobs.step(1));
    assertThat(entry.snapshot().getState()).isEqualTo(JobState.JOB_STATE_CANCELED);
    assertThat(entry.snapshot().getStepsDone()).isZero();
    assertThat(folder.resolve("jobs")).as("its run may still write").isNotEmptyDirectory();
    store.released(entry, 1);
    assertThat(folder.resolve("jobs")).as("ended jobs keep no tensors").isEmptyDirectory();
  }

  @Test
  void shouldRefuseIllegalChanges() {
    JobEntry queued = submit();
    Outcome done =
        new Outcome.Done(
            Video.getDefaultInstance(), List.of(), List.of(), Reuse.getDefaultInstance());

    assertThatThrownBy(() -> store.end(queued, done)).isInstanceOf(IllegalStateException.class);
    JobEntry running = running();
    assertThatThrownBy(() -> store.start(running, Plan.getDefaultInstance(), List.of()))
        .isInstanceOf(IllegalStateException.class);
    assertThat(queued.snapshot().getState()).isEqualTo(JobState.JOB_STATE_QUEUED);
    assertThat(running.snapshot().getState()).isEqualTo(JobState.JOB_STATE_RUNNING);
  }

  @Test
  void shouldForgetTheOldestAndItsVideoWhenTheHistoryIsFull() throws Exception {
    JobEntry oldest = running();
    Path video = Files.writeString(folder.resolve("videos").resolve(oldest.id() + ".mp4"), "x");
    store.end(
        oldest,
        new Outcome.Done(
            Video.getDefaultInstance(), List.of(), List.of(), Reuse.getDefaultInstance()));
    for (int i = 1; i < JobHistory.MAX_JOBS; i++) {
      store.cancel(submit().id());
    }
    assertThat(store.get(oldest.id())).isSameAs(oldest);
    assertThat(video).exists();

    store.cancel(submit().id());

    assertThatThrownBy(() -> store.get(oldest.id()))
        .isInstanceOfSatisfying(
            LongtakeException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.NO_SUCH_JOB));
    assertThat(video).doesNotExist();
    assertThat(store.list(2000, _ -> true)).hasSize(JobHistory.MAX_JOBS);
  }

  @Test
  void shouldGiveIdsThatSortByTimeWhenTimeGoesOn() {
    List<String> ids = new ArrayList<>();
    for (int i = 0; i < 200; i++) {
      JobEntry entry = submit();
      ids.add(entry.id());
      store.cancel(entry.id());
      now = now.plusMillis(1 + 977L * i);
    }

    assertThat(ids).isSorted().doesNotHaveDuplicates().allMatch(id -> id.matches("[0-9a-z]{14}"));
    assertThat(store.list(2, _ -> true))
        .extracting(Job::getId)
        .containsExactly(ids.get(199), ids.get(198));
  }

  @Test
  void shouldGoOnWithEveryJobWhenOpenedAgain() {
    JobEntry running = running();
    store.progress(running, 1, TestJobs.step(7));
    JobEntry waiting = submit();
    JobEntry canceled = submit();
    store.cancel(canceled.id());

    reopen();

    assertThatThrownBy(() -> store.get("nobody")).hasMessageContaining("list the jobs");
    Job again = store.get(running.id()).snapshot();
    assertThat(again.getState()).isEqualTo(JobState.JOB_STATE_QUEUED);
    assertThat(again.getAttempt()).isEqualTo(1);
    assertThat(again.getHistoryList())
        .extracting(JobTransition::getReason)
        .containsExactly("submitted", "runs on w0", "the coordinator shut down");
    assertThat(store.get(waiting.id()).snapshot().getState()).isEqualTo(JobState.JOB_STATE_QUEUED);
    assertThat(store.get(canceled.id()).snapshot()).isEqualTo(canceled.snapshot());
    assertThat(store.counts()).isEqualTo(new JobCounts(2, 0));
    assertThat(sequences(store.get(running.id()))).isEqualTo(sequences(running));
  }

  @Test
  void shouldRequeueARunningJobWhenItsCoordinatorWasKilled() throws Exception {
    JobEntry running = running();
    assertThat(running.awaitStored(Duration.ofSeconds(30))).isTrue();
    Path copy = Files.createDirectory(folder.resolve("copy"));
    // What a kill leaves behind: the files as they are while the store is open.
    for (String name : List.of("jobs.db", "jobs.db-wal")) {
      Files.copy(folder.resolve(name), copy.resolve(name));
    }

    try (JobStore after = TestJobs.store(copy, 3, () -> now)) {
      Job again = after.get(running.id()).snapshot();
      assertThat(again.getState()).isEqualTo(JobState.JOB_STATE_QUEUED);
      assertThat(again.getHistory(2).getReason()).startsWith("the coordinator was started again");
      JobEntry next = after.awaitTurns(Duration.ZERO).getFirst();
      after.start(next, Plan.getDefaultInstance(), List.of("w1"));
      assertThat(next.snapshot().getAttempt()).as("fences the first").isEqualTo(2);
    }
  }

  @Test
  void shouldLetNoOldAttemptChangeAJobWhenItWasReplaced() {
    JobEntry entry = running();
    assertThat(store.requeue(entry, 1, "worker w0 was lost", 3, 0)).isTrue();
    assertThat(store.start(entry, Plan.getDefaultInstance(), List.of("w1"))).isTrue();
    Job before = entry.snapshot();

    store.progress(entry, 1, TestJobs.step(9));
    assertThat(store.end(entry, 1, new Outcome.Failed(ErrorCode.INTERNAL, "late"))).isFalse();
    assertThat(store.requeue(entry, 1, "late", 0, 1)).isFalse();

    assertThat(entry.snapshot()).isEqualTo(before);
    assertThat(before.getAttempt()).isEqualTo(2);
    assertThat(before.getStepsDone()).isEqualTo(3);
  }

  @Test
  void shouldRefuseAJobWhenItsTenantHasAsManyAsItMay() {
    JobEntry first = store.submit(TestJobs.limited("anna", 2));
    store.submit(TestJobs.limited("anna", 2));
    store.submit(TestJobs.limited("bert", 2));

    assertThatThrownBy(() -> store.submit(TestJobs.limited("anna", 2)))
        .isInstanceOfSatisfying(
            LongtakeException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.QUOTA_EXCEEDED))
        .hasMessageContaining("tenant 'anna' to have fewer than 2 jobs")
        .hasMessageContaining("but it has 2");
    store.cancel(first.id());
    assertThat(store.submit(TestJobs.limited("anna", 2)).isTerminal()).isFalse();
  }

  @Test
  void shouldReturnTheSameJobWhenASubmissionIsRetried() {
    NewJob once = TestJobs.job("anna", Priority.PRIORITY_NORMAL, "key", Optional.empty());
    JobEntry first = store.submit(once);

    assertThat(store.submit(once)).isSameAs(first);
    assertThat(store.counts()).isEqualTo(new JobCounts(1, 0));
    NewJob.Terms others =
        new NewJob.Terms(
            once.terms().key(),
            Priority.PRIORITY_NORMAL,
            Optional.empty(),
            OptionalInt.empty(),
            ByteString.EMPTY);
    assertThatThrownBy(() ->
            store.submit(
                new NewJob(
                    once.request(),
                    once.card(),
                    once.prompt(),
                    Duration.ZERO,
                    others,
                    Optional.empty())))
        .hasMessageContaining("used for another request");
    reopen();
    assertThat(store.submit(once).id()).isEqualTo(first.id());
    assertThat(
            store
                .submit(TestJobs.job("bert", Priority.PRIORITY_NORMAL, "key", Optional.empty()))
                .id())
        .as("another tenant's key")
        .isNotEqualTo(first.id());
  }

  @Test
  void shouldEndJobsWhoseDeadlineIsOver() {
    JobEntry late =
        store.submit(
            TestJobs.job("", Priority.PRIORITY_NORMAL, "", Optional.of(Duration.ofMinutes(5))));
    JobEntry other = submit();
    reopen();
    now = now.plus(Duration.ofMinutes(5).minusMillis(1));
    store.expire();
    assertThat(store.get(late.id()).isTerminal()).isFalse();

    now = now.plusMillis(1);
    store.expire();

    assertThat(store.get(late.id()).snapshot().getError().getReason()).isEqualTo("TIMED_OUT");
    assertThat(store.get(other.id()).isTerminal()).isFalse();
  }

  private static List<Long> sequences(JobEntry entry) {
    List<Long> sequences = new ArrayList<>();
    for (Optional<JobEvent> event = entry.eventAfter(0);
        event.isPresent();
        event = entry.eventAfter(event.get().getSequence())) {
      sequences.add(event.get().getSequence());
    }
    return sequences;
  }
}
