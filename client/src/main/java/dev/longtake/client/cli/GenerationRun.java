package dev.longtake.client.cli;

import dev.longtake.client.LongtakeClient;
import dev.longtake.client.LongtakeClientException;
import dev.longtake.v1.Job;
import dev.longtake.v1.JobState;
import dev.longtake.v1.SubmitRequest;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;

/** One prompt's way to a file: submit, show progress, download. */
public final class GenerationRun {
  private final LongtakeClient client;
  private final ProgressBar progress;
  private final AtomicReference<String> runningJobId = new AtomicReference<>("");

  public GenerationRun(LongtakeClient client, ProgressBar progress) {
    this.client = client;
    this.progress = progress;
  }

  /**
   * Generates and writes {@code file}.
   *
   * @param before stages that the caller already spent, for the report
   * @throws LongtakeClientException when the request is refused, the job fails (with the job's reason) or is cancelled, or
   *     the file can't be written
   */
  public GenerationReport run(
      SubmitRequest request, Path file, List<GenerationReport.Stage> before) {
    return run(request, file, jobId -> List.of(), before);
  }

  /**
   * Generates and writes {@code file}.
   *
   * @param whileMade begins what is done beside watching, given the job's id
   * @param before stages that the caller already spent, for the report
   * @throws LongtakeClientException when the request is refused, the job fails (with the job's reason) or is cancelled, or
   *     the file can't be written
   */
  GenerationReport run(
      SubmitRequest request,
      Path file,
      Function<String, List<Aside>> whileMade,
      List<GenerationReport.Stage> before) {
    OutputFile.prepare(file);
    Job ended;
    try {
      String jobId = client.submit(request).getId();
      runningJobId.set(jobId);
      List<Aside> asides = whileMade.apply(jobId);
      ended = client.watch(jobId, progress::update);
      for (Aside aside : asides) {
        aside.await();
      }
    } finally {
      runningJobId.set("");
      progress.finish();
    }
    requireDone(ended);
    long startNanos = System.nanoTime();
    client.download(ended.getId(), file);
    double downloadSeconds = (System.nanoTime() - startNanos) / 1e9;
    return GenerationReport.of(
        file, ended, before, List.of(new GenerationReport.Stage("download", downloadSeconds)));
  }

  private static void requireDone(Job job) {
    if (job.getState() == JobState.JOB_STATE_FAILED) {
      throw new LongtakeClientException(job.getError().getReason(), job.getError().getMessage());
    }
    if (job.getState() != JobState.JOB_STATE_DONE) {
      throw new LongtakeClientException(
          LongtakeClientException.CANCELED, "Job %s was cancelled".formatted(job.getId()));
    }
  }

  /**
   * Cancels the job that {@link #run} waits for, if it does; from any thread.
   *
   * @return whether there was one
   */
  public boolean cancel() {
    String jobId = runningJobId.getAndSet("");
    if (jobId.isEmpty()) {
      return false;
    }
    client.cancel(jobId);
    return true;
  }
}
