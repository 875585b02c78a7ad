package dev.longtake.client.cli;

import dev.longtake.client.LongtakeClient;
import dev.longtake.client.LongtakeClientException;
import dev.longtake.v1.GenerationRequest;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** What is seen of a video while it is made, for picocli's {@code @Mixin}. */
final class WhileMadeOptions {
  @Option(
      names = "--stream",
      paramLabel = "FILE",
      description = {
        "Where the video goes while it is made, segment by segment, as an MP4 that plays as far as"
            + " it",
        "has come; '-' for standard output."
      })
  @Nullable Path stream;

  @Option(
      names = "--preview",
      paramLabel = "FILE",
      description = "A PNG of what the video becomes, replaced after every few steps.")
  @Nullable Path preview;

  @Option(
      names = "--show",
      description = {
        "Show the previews in the terminal: one with kitty's or iTerm2's pictures, or with 24-bit",
        "colours."
      })
  boolean isShown;

  @Option(
      names = "--preview-every",
      paramLabel = "N",
      defaultValue = "5",
      description = "Steps from one preview to the next (default: ${DEFAULT-VALUE}).")
  int previewEvery = 5;

  private @Nullable TerminalPictures pictures;

  GenerationRequest apply(GenerationRequest request) {
    return preview == null && !isShown
        ? request
        : request.toBuilder().setPreviewEvery(previewEvery).build();
  }

  /** Checks the files and the terminal, before a job is submitted for nothing. */
  void prepare() {
    if (stream != null && !isStandardOutput(stream)) {
      OutputFile.prepare(stream);
    }
    if (preview != null) {
      OutputFile.prepare(preview);
    }
    if (isShown) {
      pictures = TerminalPictures.onStandardError();
    }
  }

  /** Begins to write and show what comes of the job; each ends with it. */
  List<Aside> start(LongtakeClient client, String jobId, ProgressBar progress) {
    List<Aside> started = new ArrayList<>();
    Path streamed = stream;
    if (streamed != null) {
      started.add(Aside.start("stream", () -> stream(client, jobId, streamed)));
    }
    if (preview != null || pictures != null) {
      started.add(
          Aside.start(
              "previews",
              () ->
                  client.previews(jobId, newest -> show(newest.getPng().toByteArray(), progress))));
    }
    return started;
  }

  private void show(byte[] png, ProgressBar progress) {
    if (preview != null) {
      replace(preview, png);
    }
    if (pictures != null) {
      pictures.show(png, progress);
    }
  }

  private static boolean isStandardOutput(Path file) {
    return file.toString().equals("-");
  }

  private static void stream(LongtakeClient client, String jobId, Path file) {
    if (isStandardOutput(file)) {
      client.stream(jobId, System.out);
      return;
    }
    try (OutputStream out = Files.newOutputStream(file)) {
      client.stream(jobId, out);
    } catch (IOException e) {
      throw cannotWrite(file, e);
    }
  }

  /** At once, so that whoever looks at it never sees half a picture. */
  private static void replace(Path file, byte[] bytes) {
    Path part = file.resolveSibling(file.getFileName() + ".part");
    try {
      Files.write(part, bytes);
      Files.move(part, file, StandardCopyOption.REPLACE_EXISTING);
    } catch (IOException e) {
      throw cannotWrite(file, e);
    }
  }

  private static LongtakeClientException cannotWrite(Path file, IOException e) {
    return new LongtakeClientException(
        LongtakeClientException.LOCAL_FILE,
        "Cannot write %s: %s".formatted(file, Commands.reason(e)));
  }
}
