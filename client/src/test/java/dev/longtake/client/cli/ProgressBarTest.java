package dev.longtake.client.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.Duration;
import dev.longtake.v1.Job;
import dev.longtake.v1.JobEvent;
import dev.longtake.v1.Plan;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class ProgressBarTest {
  private final StringWriter written = new StringWriter();
  private final AtomicLong nanos = new AtomicLong(12_345);

  private ProgressBar bar(boolean isTerminal, int columns) {
    return new ProgressBar(new PrintWriter(written), isTerminal, columns, nanos::get);
  }

  private static JobEvent planned(int ranks) {
    return JobEvent.newBuilder()
        .setPlanned(
            JobEvent.Planned.newBuilder().setPlan(Plan.newBuilder().setSequenceRanks(ranks)))
        .build();
  }

  private static JobEvent step(int step, int steps, long secondsLeft) {
    return JobEvent.newBuilder()
        .setStepDone(
            JobEvent.StepDone.newBuilder()
                .setStep(step)
                .setSteps(steps)
                .setRemaining(Duration.newBuilder().setSeconds(secondsLeft)))
        .build();
  }

  private String lastDrawn() {
    String all = written.toString();
    return all.substring(all.lastIndexOf('\r') + 1);
  }

  @Test
  void shouldRedrawOneLineWhenThereIsATerminal() {
    ProgressBar bar = bar(true, 100);
    bar.update(planned(2));
    nanos.addAndGet(TimeUnit.SECONDS.toNanos(65));
    bar.update(step(10, 30, 130));
    assertThat(lastDrawn())
        .isEqualTo("[########................] step 10/30  1:05, 2:10 left  2 workers: 2 ranks");
    bar.update(step(30, 30, 0));
    assertThat(lastDrawn()).startsWith("[########################] step 30/30");
    assertThat(written.toString()).doesNotContain("\n");
    bar.update(JobEvent.newBuilder().setEnded(Job.getDefaultInstance()).build());
    bar.finish();
    assertThat(written.toString()).endsWith(System.lineSeparator()).containsOnlyOnce("\n");
  }

  @Test
  void shouldShowAllSegmentsAsOneWayWhenTheVideoIsLong() {
    ProgressBar bar = bar(false, 80);
    for (int segment = 1; segment <= 20; segment++) {
      for (int step = 1; step <= 5; step++) {
        JobEvent event = step(step, 5, 7);
        bar.update(
            event.toBuilder()
                .setStepDone(event.getStepDone().toBuilder().setSegment(segment).setSegments(20))
                .build());
      }
      bar.update(
          JobEvent.newBuilder()
              .setFramesDecoded(JobEvent.FramesDecoded.newBuilder().setDecoded(8).setFrames(8))
              .build());
      bar.update(
          JobEvent.newBuilder().setSegmentDone(JobEvent.SegmentDone.getDefaultInstance()).build());
    }

    assertThat(written.toString().lines())
        .as("one at the start, and one each tenth")
        .hasSize(11)
        .contains("segment 1/20, step 1/100  0:00, 0:07 left")
        .contains("segment 10/20, step 50/100  0:00, 0:07 left");
  }

  @Test
  void shouldCoverTheOldLineWhenTheNewOneIsShorter() {
    ProgressBar bar = bar(true, 100);
    bar.phase("starting a coordinator and two workers");
    bar.phase("queued");
    assertThat(lastDrawn())
        .hasSameSizeAs("starting a coordinator and two workers ...")
        .startsWith("queued ... ");
  }

  @Test
  void shouldTellThePlaceAndTheStartWhenTheJobWaits() {
    ProgressBar bar = bar(true, 100);
    bar.update(queued(JobEvent.Queued.newBuilder().setPosition(3)));
    assertThat(lastDrawn()).isEqualTo("queued behind 3 jobs ...");
    bar.update(
        queued(
            JobEvent.Queued.newBuilder()
                .setPosition(2)
                .setStartsIn(Duration.newBuilder().setSeconds(75))));
    assertThat(lastDrawn()).isEqualTo("queued behind 2 jobs, starts in about 1:15 ...");
    bar.update(queued(JobEvent.Queued.newBuilder()));
    assertThat(lastDrawn()).startsWith("queued ... ");
  }

  private static JobEvent queued(JobEvent.Queued.Builder queued) {
    return JobEvent.newBuilder().setQueued(queued).build();
  }

  @Test
  void shouldStayOnOneLineWhenTheTerminalIsNarrow() {
    ProgressBar bar = bar(true, 20);
    bar.update(step(1, 2, 3));
    assertThat(lastDrawn()).hasSize(19).startsWith("[############");
  }

  @Test
  void shouldPrintALineEachTenthWhenThereIsNoTerminal() {
    ProgressBar bar = bar(false, 80);
    bar.update(planned(1));
    for (int step = 1; step <= 100; step++) {
      bar.update(step(step, 100, 100 - step));
    }
    for (int frame = 1; frame <= 4; frame++) {
      bar.update(
          JobEvent.newBuilder()
              .setFramesDecoded(JobEvent.FramesDecoded.newBuilder().setDecoded(frame).setFrames(4))
              .build());
    }
    bar.finish();
    assertThat(written.toString()).doesNotContain("\r");
    assertThat(written.toString().lines())
        .startsWith("planned: 1 worker", "step 1/100  0:00, 1:39 left  1 worker")
        .contains("step 50/100  0:00, 0:50 left  1 worker")
        .endsWith("frame 3/4  0:00  1 worker", "frame 4/4  0:00  1 worker")
        .hasSize(1 + 11 + 4);
  }
}
