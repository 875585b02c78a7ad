package dev.longtake.coordinator.jobs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.Job;
import dev.longtake.v1.JobEvent;
import dev.longtake.v1.JobState;
import dev.longtake.v1.ModelCard;
import dev.longtake.v1.Plan;
import dev.longtake.v1.Reuse;
import dev.longtake.v1.Tensor;
import dev.longtake.v1.Video;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class JobStoreTest {
  @TempDir Path folder;

  private Instant now = Instant.parse("2026-11-22T12:00:00Z");
  private final JobStore store = new JobStore(3, (InstantSource) () -> now, () -> 0, new Random(1));

  private JobEntry submit() {
    return store.submit(
        new NewJob(
            GenerationRequest.getDefaultInstance(),
            ModelCard.getDefaultInstance(),
            new EncodedPrompt(
                new EncodedPrompt.Text(List.of(), Tensor.getDefaultInstance()),
                Optional.empty(),
                /* encoderRuns= */ 1),
            Duration.ZERO));
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

    assertThat(store.awaitNext(Duration.ZERO)).hasValue(first);
    store.start(first, Plan.getDefaultInstance(), List.of("w0"));
    assertThat(store.awaitNext(Duration.ZERO)).hasValue(second);
    assertThat(store.counts()).isEqualTo(new JobCounts(1, 1));
    store.end(first, new Outcome.Failed(ErrorCode.INTERNAL, "x"));
    store.cancel(second.id());
    assertThat(store.awaitNext(Duration.ZERO)).isEmpty();
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
  void shouldKeepTheFirstEndWhenAnotherComes() {
    JobEntry entry = running();
    store.cancel(entry.id());

    assertThat(store.end(entry, new Outcome.Failed(ErrorCode.INTERNAL, "late"))).isFalse();
    assertThat(store.start(entry, Plan.getDefaultInstance(), List.of())).isFalse();
    store.progress(entry, JobEvent.StepDone.newBuilder().setStep(1).build());
    assertThat(entry.snapshot().getState()).isEqualTo(JobState.JOB_STATE_CANCELED);
    assertThat(entry.snapshot().getStepsDone()).isZero();
    assertThat(entry.prompt()).as("ended jobs keep no tensors").isEmpty();
  }

  @Test
  void shouldRefuseIllegalChanges() {
    JobEntry queued = submit();
    Outcome done =
        new Outcome.Done(
            Video.getDefaultInstance(),
            folder.resolve("x"),
            List.of(),
            List.of(),
            Reuse.getDefaultInstance());

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
    Path video = Files.writeString(folder.resolve("oldest.mp4"), "x");
    store.end(
        oldest,
        new Outcome.Done(
            Video.getDefaultInstance(), video, List.of(), List.of(), Reuse.getDefaultInstance()));
    for (int i = 1; i < JobStore.HISTORY_JOBS; i++) {
      store.cancel(submit().id());
    }
    assertThat(store.get(oldest.id())).isSameAs(oldest);
    assertThat(video).exists();

    store.cancel(submit().id());

    assertThatThrownBy(() -> store.get(oldest.id()))
        .isInstanceOfSatisfying(
            LongtakeException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.NO_SUCH_JOB));
    assertThat(video).doesNotExist();
    assertThat(store.list(2000)).hasSize(JobStore.HISTORY_JOBS);
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
    assertThat(store.list(2)).extracting(Job::getId).containsExactly(ids.get(199), ids.get(198));
  }

  @Test
  void shouldEndEveryJobWithAReasonWhenClosed() {
    JobEntry running = running();
    JobEntry waiting = submit();

    store.close();

    for (JobEntry entry : List.of(running, waiting)) {
      assertThat(entry.snapshot().getState()).isEqualTo(JobState.JOB_STATE_FAILED);
      assertThat(entry.snapshot().getError().getMessage()).contains("shut down");
    }
    assertThatThrownBy(this::submit).hasMessageContaining("shutting down");
  }
}
