package dev.longtake.client;

import dev.longtake.v1.ClusterStatus;
import dev.longtake.v1.Job;
import io.grpc.Context;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.Supplier;

/**
 * Calls of {@link LongtakeClient} without waiting: those that take long, or are made often. Each runs on a thread of the client's executor until its future is completed;
 * failures are {@link LongtakeClientException}s. Cancelling a future ends the call, not the job. Thread-safe; made by {@link
 * LongtakeClient#async()}, and of no use once that is closed.
 */
public final class AsyncLongtakeClient {
  private final LongtakeClient client;
  private final Executor executor;

  AsyncLongtakeClient(LongtakeClient client, Executor executor) {
    this.client = client;
    this.executor = executor;
  }

  /** See {@link LongtakeClient#submit(VideoRequest)}. */
  public CompletableFuture<Job> submit(VideoRequest request) {
    return start(() -> client.submit(request));
  }

  /** See {@link LongtakeClient#get}. */
  public CompletableFuture<Job> get(String jobId) {
    return start(() -> client.get(jobId));
  }

  /** See {@link LongtakeClient#list}. */
  public CompletableFuture<List<Job>> list(int limit) {
    return start(() -> client.list(limit));
  }

  /** See {@link LongtakeClient#cancel}. */
  public CompletableFuture<Job> cancel(String jobId) {
    return start(() -> client.cancel(jobId));
  }

  /** See {@link LongtakeClient#clusterStatus}. */
  public CompletableFuture<ClusterStatus> clusterStatus() {
    return start(client::clusterStatus);
  }

  /** See {@link LongtakeClient#download}. */
  public CompletableFuture<Path> download(String jobId, Path target) {
    return start(() -> client.download(jobId, target));
  }

  /**
   * Tells a listener what becomes of a job, from its first event to its last, previews between them; lost connections are taken up again.
   * An exception of the listener ends it. It takes a thread of the executor, and a second one where there are previews.
   *
   * @return completed with the ended job
   */
  public CompletableFuture<Job> follow(String jobId, JobListener listener) {
    return start(() -> new Following(client, this, jobId, listener).run());
  }

  /** Runs a call on the executor; cancelling the future cancels what the call waits for. */
  <T> CompletableFuture<T> start(Supplier<T> call) {
    var future = new Call<T>();
    try {
      executor.execute(() -> future.run(call));
    } catch (RejectedExecutionException e) {
      future.completeExceptionally(
          new LongtakeClientException(
              LongtakeClientException.CANCELED, null, "The client is closed", e));
    }
    return future;
  }

  /** A call that ends when it is cancelled. */
  private static final class Call<T> extends CompletableFuture<T> {
    private final Context.CancellableContext context = Context.current().withCancellation();

    void run(Supplier<T> call) {
      Context previous = context.attach();
      try {
        complete(call.get());
      } catch (RuntimeException | Error e) {
        completeExceptionally(e);
      } finally {
        context.detachAndCancel(previous, null);
      }
    }

    @Override
    public boolean cancel(boolean mayInterrupt) {
      boolean isCancelled = super.cancel(mayInterrupt);
      context.cancel(null);
      return isCancelled;
    }
  }
}
