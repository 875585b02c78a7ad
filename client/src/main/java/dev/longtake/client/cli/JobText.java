package dev.longtake.client.cli;

import com.google.protobuf.Timestamp;
import dev.longtake.v1.Job;
import dev.longtake.v1.JobState;
import dev.longtake.v1.JobTransition;
import java.time.Instant;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.util.List;
import java.util.Locale;

/** Jobs for people. */
final class JobText {
  private static final DateTimeFormatter TIME =
      DateTimeFormatter.ofPattern("uuuu-MM-dd HH:mm:ss", Locale.ROOT)
          .withZone(ZoneId.systemDefault());

  private static final int MAX_PROMPT = 40;

  private JobText() {}

  /** One line each, newest first, below a heading. */
  static String list(List<Job> jobs) {
    if (jobs.isEmpty()) {
      return "no jobs%n".formatted();
    }
    StringBuilder text =
        new StringBuilder(
            "%-14s  %-8s  %-9s  %-19s  %s%n"
                .formatted("job", "state", "steps", "submitted", "prompt"));
    for (Job job : jobs) {
      text.append(
          "%-14s  %-8s  %-9s  %-19s  %s%n"
              .formatted(
                  job.getId(),
                  state(job.getState()),
                  job.getStepsDone() + "/" + job.getRequest().getSteps(),
                  time(job.getSubmittedAt()),
                  shortened(job.getRequest().getPrompt())));
    }
    return text.toString();
  }

  /** All that is worth knowing of one job, its history included. */
  static String details(Job job) {
    StringBuilder text = new StringBuilder();
    line(text, "job", job.getId());
    line(text, "prompt", job.getRequest().getPrompt());
    line(
        text,
        "state",
        "%s, %d of %d steps, attempt %d"
            .formatted(
                state(job.getState()),
                job.getStepsDone(),
                job.getRequest().getSteps(),
                job.getAttempt()));
    if (job.hasError()) {
      line(text, "error", job.getError().getReason() + ": " + job.getError().getMessage());
    }
    if (!job.getWaitingFor().isEmpty()) {
      line(text, "waits", job.getWaitingFor());
    }
    if (!job.getTenant().isEmpty()) {
      line(text, "tenant", job.getTenant());
    }
    if (job.hasDeadlineAt()) {
      line(text, "deadline", time(job.getDeadlineAt()));
    }
    if (job.hasPlan()) {
      line(text, "plan", Texts.plan(job.getPlan()));
      line(text, "workers", String.join(", ", job.getWorkerIdsList()));
    }
    if (job.getRequest().hasLongVideo()) {
      line(
          text,
          "segments",
          "%d of %d done, %d frames in %s that can be streamed; %s handed over"
              .formatted(
                  job.getSegmentsDone(),
                  job.getRequest().getLongVideo().getSegments(),
                  job.getFramesDone(),
                  Texts.bytes(job.getStreamBytes()),
                  Texts.handover(job.getRequest().getLongVideo().getHandover())));
    }
    if (job.getRequest().hasStepCache()) {
      line(text, "cache", StepCacheText.format(job.getRequest().getStepCache()));
    }
    if (job.getVideo().hasStepCacheUse()) {
      line(text, "", StepCacheText.use(job.getVideo().getStepCacheUse()));
    }
    if (job.hasVideo()) {
      line(
          text,
          "video",
          "%d frames of %d x %d, %s, SHA-256 %s"
              .formatted(
                  job.getVideo().getFrames(),
                  job.getVideo().getWidth(),
                  job.getVideo().getHeight(),
                  Texts.bytes(job.getVideo().getSizeBytes()),
                  job.getVideo().getSha256()));
    }
    String name = "history";
    for (JobTransition transition : job.getHistoryList()) {
      line(
          text,
          name,
          "%s  %-8s  %s"
              .formatted(
                  time(transition.getTime()),
                  state(transition.getState()),
                  transition.getReason()));
      name = "";
    }
    return text.toString();
  }

  private static void line(StringBuilder text, String name, String value) {
    text.append("%-8s  %s%n".formatted(name, value));
  }

  private static String time(Timestamp time) {
    return TIME.format(Instant.ofEpochSecond(time.getSeconds()));
  }

  private static String shortened(String prompt) {
    return prompt.length() <= MAX_PROMPT ? prompt : prompt.substring(0, MAX_PROMPT - 3) + "...";
  }

  private static String state(JobState state) {
    return state.name().substring("JOB_STATE_".length()).toLowerCase(Locale.ROOT);
  }
}
