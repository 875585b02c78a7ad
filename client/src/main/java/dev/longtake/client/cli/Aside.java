package dev.longtake.client.cli;

import dev.longtake.client.LongtakeClientException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;

/** What goes on beside watching a job, by a thread of its own; it ends when the job does, or its own calls' deadlines have passed. */
final class Aside {
  private final CompletableFuture<Void> done;

  private Aside(CompletableFuture<Void> done) {
    this.done = done;
  }

  static Aside start(String name, Runnable work) {
    return new Aside(
        CompletableFuture.runAsync(
            work,
            task -> {
              Thread thread = new Thread(task, name);
              thread.setDaemon(true);
              thread.start();
            }));
  }

  /**
   * Waits for the end.
   *
   * @throws LongtakeClientException what went wrong
   */
  void await() {
    try {
      done.get();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new LongtakeClientException(
          LongtakeClientException.CANCELED, "Interrupted while the job was watched");
    } catch (ExecutionException e) {
      if (e.getCause() instanceof LongtakeClientException failure) {
        throw failure;
      }
      throw new IllegalStateException("What was done aside failed by our mistake", e.getCause());
    }
  }
}
