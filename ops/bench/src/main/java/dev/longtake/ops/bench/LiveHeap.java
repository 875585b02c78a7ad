package dev.longtake.ops.bench;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What another Java process holds on its heap that is in use, found with the JDK's {@code jcmd}. */
final class LiveHeap {
  private static final Path JCMD = Path.of(System.getProperty("java.home"), "bin", "jcmd");
  private static final long TIMEOUT_SECONDS = 30;
  private static final Pattern USED = Pattern.compile("used (\\d+)K");

  private LiveHeap() {}

  static boolean isMeasurable() {
    return Files.isExecutable(JCMD);
  }

  /**
   * Bytes, after a full collection; NaN when the process can't be asked.
   */
  static double bytes(ProcessHandle process) {
    try {
      ask(process, "GC.run");
      double kibibytes = 0;
      for (String line : ask(process, "GC.heap_info").lines().toList()) {
        Matcher used = USED.matcher(line);
        boolean isHeap = !line.contains("Metaspace") && !line.contains("class space");
        if (isHeap && used.find()) {
          kibibytes += Long.parseLong(used.group(1));
        }
      }
      return kibibytes == 0 ? Double.NaN : kibibytes * 1024;
    } catch (IOException e) {
      return Double.NaN;
    }
  }

  private static String ask(ProcessHandle process, String command) throws IOException {
    Process jcmd =
        new ProcessBuilder(JCMD.toString(), Long.toString(process.pid()), command)
            .redirectErrorStream(true)
            .start();
    try {
      // What it says fits into the pipe, so it ends before it is read.
      if (!jcmd.waitFor(TIMEOUT_SECONDS, TimeUnit.SECONDS)) {
        throw new IOException("jcmd did not answer within %d s".formatted(TIMEOUT_SECONDS));
      }
      String answer = new String(jcmd.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      if (jcmd.exitValue() != 0) {
        throw new IOException(answer);
      }
      return answer;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException(e);
    } finally {
      jcmd.destroyForcibly();
    }
  }
}
