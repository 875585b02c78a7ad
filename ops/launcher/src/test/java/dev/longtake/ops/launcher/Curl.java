package dev.longtake.ops.launcher;

import dev.longtake.common.tls.TlsFiles;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * The program of that name, as somebody with a key uses it.
 *
 * @param url that paths belong to
 * @param key of the caller; empty for none
 */
record Curl(String url, TlsFiles files, String key) {
  private static final String SECONDS = "120";

  static boolean isInstalled() {
    try {
      return new ProcessBuilder("curl", "--version")
              .redirectOutput(ProcessBuilder.Redirect.DISCARD)
              .start()
              .waitFor()
          == 0;
    } catch (IOException e) {
      return false;
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  /** What the server answers to a request for a path. */
  String ask(Path folder, String path, String... options) throws Exception {
    List<String> command =
        new ArrayList<>(
            List.of(
                "curl", "-sS", "--max-time", SECONDS, "--cacert", files.authorities().toString()));
    if (!key.isEmpty()) {
      command.addAll(List.of("-H", "Authorization: Bearer " + key));
    }
    command.addAll(List.of(options));
    command.add(url + path);
    Process curl =
        new ProcessBuilder(command).redirectError(folder.resolve("curl.err").toFile()).start();
    curl.getOutputStream().close();
    String answer = new String(curl.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    int status = curl.waitFor();
    if (status != 0) {
      throw new AssertionError("curl %s ended with %d".formatted(path, status));
    }
    return answer;
  }
}
