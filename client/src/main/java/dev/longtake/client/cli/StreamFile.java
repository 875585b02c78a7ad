package dev.longtake.client.cli;

import dev.longtake.client.LongtakeClient;
import dev.longtake.client.LongtakeClientException;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;

/** Writes a job's video to a file or to standard output while it is made, by a thread of its own. */
final class StreamFile {
  private final CompletableFuture<Long> done;

  private StreamFile(CompletableFuture<Long> done) {
    this.done = done;
  }

  /**
   * @param file {@code -} for standard output
   */
  static StreamFile start(LongtakeClient client, String jobId, Path file) {
    return new StreamFile(
        CompletableFuture.supplyAsync(() -> write(client, jobId, file), StreamFile::runAside));
  }

  private static void runAside(Runnable task) {
    Thread thread = new Thread(task, "stream");
    thread.setDaemon(true);
    thread.start();
  }

  private static long write(LongtakeClient client, String jobId, Path file) {
    if (file.toString().equals("-")) {
      return client.stream(jobId, System.out);
    }
    OutputFile.prepare(file);
    try (OutputStream out = Files.newOutputStream(file)) {
      return client.stream(jobId, out);
    } catch (IOException e) {
      throw new LongtakeClientException(
          LongtakeClientException.LOCAL_FILE,
          "Cannot write %s: %s".formatted(file, Commands.reason(e)));
    }
  }

  /** Waits for the last bytes, which come when the job has ended. */
  void await() throws InterruptedException {
    try {
      done.get();
    } catch (ExecutionException e) {
      if (e.getCause() instanceof LongtakeClientException failure) {
        throw failure;
      }
      throw new IllegalStateException("Streaming failed by our mistake", e.getCause());
    }
  }
}
