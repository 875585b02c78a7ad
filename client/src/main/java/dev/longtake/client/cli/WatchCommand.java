package dev.longtake.client.cli;

import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.util.JsonFormat;
import dev.longtake.client.LongtakeClient;
import dev.longtake.v1.Job;
import dev.longtake.v1.JobEvent;
import dev.longtake.v1.JobState;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code longtake watch JOB}: a job's progress until it has ended. */
@Command(
    name = "watch",
    mixinStandardHelpOptions = true,
    description =
        "Show the progress of a job until it has ended, through restarts of the coordinator.",
    footer = {
      "",
      "Ctrl-C ends the watching; the job goes on.",
      "",
      "Exit status: 0 the job is done, 1 it failed or was cancelled, 2 wrong usage, or nothing"
          + " listens there."
    })
public final class WatchCommand implements Callable<Integer> {
  @Spec @Nullable CommandSpec spec;

  @Parameters(paramLabel = "JOB", description = "The job's id.")
  String jobId = "";

  @Mixin CoordinatorOption coordinator = new CoordinatorOption();

  @Option(
      names = "--json",
      description = "Print every event as a line of JSON, with the names of longtake.v1.JobEvent.")
  boolean isJson;

  @Option(
      names = "--show",
      description =
          "Show the job's previews in the terminal, if its request asked for some (see 'generate"
              + " --preview-every').")
  boolean isShown;

  @Override
  public Integer call() {
    try (LongtakeClient client = coordinator.connect()) {
      Job ended = isJson ? client.watch(jobId, this::print) : watch(client);
      if (!isJson) {
        Commands.print(spec, JobText.details(ended));
      }
      return ended.getState() == JobState.JOB_STATE_DONE ? ExitCodes.OK : ExitCodes.FAILED;
    }
  }

  private Job watch(LongtakeClient client) {
    ProgressBar progress = ProgressBar.onStandardError();
    try {
      List<Aside> asides = isShown ? List.of(show(client, progress)) : List.of();
      Job ended = client.watch(jobId, progress::update);
      asides.forEach(Aside::await);
      return ended;
    } finally {
      progress.finish();
    }
  }

  private Aside show(LongtakeClient client, ProgressBar progress) {
    TerminalPictures pictures = TerminalPictures.onStandardError();
    return Aside.start(
        "previews",
        () ->
            client.previews(
                jobId, newest -> pictures.show(newest.getPng().toByteArray(), progress)));
  }

  private void print(JobEvent event) {
    try {
      Commands.print(
          spec,
          JsonFormat.printer()
                  .preservingProtoFieldNames()
                  .omittingInsignificantWhitespace()
                  .print(event)
              + "\n");
    } catch (InvalidProtocolBufferException e) {
      throw new IllegalStateException("Events have no fields of unknown types", e);
    }
  }
}
