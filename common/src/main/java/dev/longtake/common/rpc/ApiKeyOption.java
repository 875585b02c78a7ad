package dev.longtake.common.rpc;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.error.Quoted;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The key that a process shows to a coordinator with {@code --access}, for picocli's {@code @Mixin}. */
public final class ApiKeyOption {
  /** The environment's variable with the key, where there is no file. */
  public static final String VARIABLE = "LONGTAKE_API_KEY";

  @Option(
      names = "--api-key-file",
      paramLabel = "FILE",
      description =
          "File with the key to show to the coordinator (default: what " + VARIABLE + " holds).")
  private @Nullable Path file;

  /**
   * The key; empty for none.
   *
   * @throws LongtakeException INVALID_REQUEST when the file can't be read or holds something else
   */
  public String key() {
    Path given = file;
    if (given == null) {
      String key = System.getenv(VARIABLE);
      return key == null || key.isBlank() ? "" : Bearer.require(key.strip(), VARIABLE);
    }
    try {
      return Bearer.require(Files.readString(given).strip(), "--api-key-file");
    } catch (IOException e) {
      throw LongtakeException.invalidField(
          "--api-key-file",
          "Expected --api-key-file to name a file with a key, but '%s' can't be read: %s"
              .formatted(given, Quoted.line(e.getMessage())));
    }
  }
}
