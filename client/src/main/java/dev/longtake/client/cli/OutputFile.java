package dev.longtake.client.cli;

import dev.longtake.client.LongtakeClientException;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;

/** Where a video goes, checked before the work starts rather than after. */
public final class OutputFile {
  private static final int SLUG_CHARACTERS = 60;

  private OutputFile() {}

  /** {@code out/<the prompt in lower-case words>.mp4} in the current directory. */
  public static Path forPrompt(String prompt) {
    String slug =
        prompt
            .toLowerCase(Locale.ROOT)
            .replaceAll("[^\\p{L}\\p{N}]+", "-")
            .replaceAll("^-+|-+$", "");
    if (slug.codePointCount(0, slug.length()) > SLUG_CHARACTERS) {
      slug = slug.substring(0, slug.offsetByCodePoints(0, SLUG_CHARACTERS)).replaceAll("-+$", "");
    }
    return Path.of("out", (slug.isEmpty() ? "video" : slug) + ".mp4");
  }

  /**
   * Creates the folder of {@code file} where it is missing.
   *
   * @throws LongtakeClientException LOCAL_FILE when {@code file} can't be written
   */
  public static void prepare(Path file) {
    Path folder = file.toAbsolutePath().getParent();
    try {
      if (folder != null) {
        Files.createDirectories(folder);
      }
    } catch (FileAlreadyExistsException e) {
      throw cannotWrite(file, "%s is a file, not a folder".formatted(folder));
    } catch (IOException e) {
      throw cannotWrite(file, "its folder cannot be created");
    }
    if (Files.isDirectory(file)) {
      throw cannotWrite(file, "it is a folder; name a file, for example " + file.resolve("a.mp4"));
    }
    if (folder != null && !Files.isWritable(folder)) {
      throw cannotWrite(file, "the folder %s is read-only".formatted(folder));
    }
  }

  private static LongtakeClientException cannotWrite(Path file, String why) {
    return new LongtakeClientException(
        LongtakeClientException.LOCAL_FILE,
        "Expected to write the video to %s, but %s; choose another file with --out"
            .formatted(file, why));
  }
}
