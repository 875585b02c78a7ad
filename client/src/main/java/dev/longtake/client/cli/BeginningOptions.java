package dev.longtake.client.cli;

import com.google.protobuf.ByteString;
import dev.longtake.client.LongtakeClientException;
import dev.longtake.v1.SubmitRequest;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** What a video begins with, for picocli's {@code @Mixin}. */
final class BeginningOptions {
  @Option(
      names = {"--image", "--video"},
      paramLabel = "FILE",
      description = "Begin with a picture, or go on after a video, scaled and cropped to the size.")
  @Nullable Path media;

  @Option(
      names = "--continue",
      paramLabel = "FILE",
      description = {
        "Go on where another job ended, with the token that 'longtake continuation' wrote. What is",
        "not given, prompt included, is as it was."
      })
  @Nullable Path continuation;

  /** Whether the prompt may be left out. */
  boolean isContinuation() {
    return continuation != null;
  }

  SubmitRequest apply(SubmitRequest request) {
    if (media != null && continuation != null) {
      throw new LongtakeClientException(
          LongtakeClientException.INVALID_REQUEST,
          "Expected --image, --video or --continue, but got two of them");
    }
    SubmitRequest.Builder whole = request.toBuilder();
    if (media != null) {
      whole.setMedia(read(media));
    }
    if (continuation != null) {
      whole.setContinuation(read(continuation));
    }
    return whole.build();
  }

  private static ByteString read(Path file) {
    try (InputStream in = Files.newInputStream(file)) {
      return ByteString.readFrom(in);
    } catch (IOException e) {
      throw new LongtakeClientException(
          LongtakeClientException.LOCAL_FILE,
          "Cannot read %s: %s".formatted(file, Commands.reason(e)));
    }
  }
}
