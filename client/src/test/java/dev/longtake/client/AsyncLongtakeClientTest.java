package dev.longtake.client;

import static java.util.concurrent.TimeUnit.SECONDS;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.longtake.v1.Job;
import dev.longtake.v1.JobEvent;
import dev.longtake.v1.JobState;
import dev.longtake.v1.VideoPreview;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.MethodDescriptor;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class AsyncLongtakeClientTest {
  @TempDir Path folder;

  private ScriptedServer server;
  private LongtakeClient client;

  @BeforeEach
  void start() throws IOException {
    server = new ScriptedServer();
    client = builder().build();
  }

  private LongtakeClient.Builder builder() {
    return LongtakeClient.builder()
        .address(server.address())
        .reconnectTimeout(Duration.ofSeconds(10));
  }

  @AfterEach
  void stop() {
    client.close();
    server.close();
  }

  /** Writes down what it is told. */
  private static final class Told implements JobListener {
    final List<String> calls = new CopyOnWriteArrayList<>();
    final AtomicInteger inside = new AtomicInteger();

    private void told(String what) {
      assertThat(inside.incrementAndGet()).as("calls at once").isEqualTo(1);
      calls.add(what);
      inside.decrementAndGet();
    }

    @Override
    public void queued(JobEvent.Queued queued) {
      told("queued");
    }

    @Override
    public void planned(JobEvent.Planned planned) {
      told("planned");
    }

    @Override
    public void step(JobEvent.StepDone step) {
      told("step " + step.getStep());
    }

    @Override
    public void preview(VideoPreview preview) {
      told("preview");
    }

    @Override
    public void ended(Job job) {
      told("ended " + job.getState());
    }
  }

  @Test
  void shouldDoWhatTheBlockingCallsDo() throws Exception {
    AsyncLongtakeClient async = client.async();
    assertThat(async.submit(VideoRequest.of("a cat").build()).get(30, SECONDS).getId())
        .isEqualTo("job-1");
    assertThat(async.get("job-1").get(30, SECONDS)).isEqualTo(server.job());
    assertThat(async.list(1).get(30, SECONDS)).containsExactly(server.job());
    assertThat(async.cancel("job-1").get(30, SECONDS)).isEqualTo(server.job());
    assertThat(async.clusterStatus().get(30, SECONDS).getModel().getName()).isEqualTo("demo");
    assertThat(async.download("job-1", folder.resolve("a.mp4")).get(30, SECONDS))
        .hasBinaryContent(server.video);
  }

  @Test
  void shouldCarryTheReasonWhenACallFails() {
    assertThatThrownBy(() -> client.async().get("job-2").get(30, SECONDS))
        .isInstanceOf(ExecutionException.class)
        .cause()
        .isInstanceOfSatisfying(
            LongtakeClientException.class, e -> assertThat(e.reason()).isEqualTo("NO_SUCH_JOB"));
  }

  @Test
  void shouldTellEveryEventOnceWhenTheConnectionBreaks() throws Exception {
    server.watchesToBreak.set(2);
    var told = new Told();
    Job ended = client.async().follow("job-1", told).get(30, SECONDS);
    assertThat(ended.getState()).isEqualTo(JobState.JOB_STATE_DONE);
    assertThat(told.calls)
        .containsExactly("queued", "planned", "step 1", "step 2", "step 3", "ended JOB_STATE_DONE");
    assertThat(server.watchSequences).containsExactly(0L, 2L, 4L);
  }

  @Test
  void shouldTellPreviewsBetweenWhenTheRequestAsksForThem() throws Exception {
    server.previewEvery = 5;
    var isPreviewed = new CountDownLatch(1);
    var told =
        new JobListener() {
          final List<String> calls = new CopyOnWriteArrayList<>();

          @Override
          public void preview(VideoPreview preview) {
            calls.add("preview");
            isPreviewed.countDown();
          }

          @Override
          public void ended(Job job) {
            calls.add("ended");
          }
        };
    // The job is not over before a preview has come.
    server.watchesToBreak.set(1);
    server.onWatchBreaks =
        () -> {
          try {
            assertThat(isPreviewed.await(30, SECONDS)).isTrue();
          } catch (InterruptedException e) {
            throw new AssertionError(e);
          }
        };
    client.async().follow("job-1", told).get(30, SECONDS);
    assertThat(told.calls).contains("preview").endsWith("ended").containsOnlyOnce("ended");
  }

  @Test
  void shouldFailWhenTheListenerDoes() {
    var failing =
        new JobListener() {
          @Override
          public void step(JobEvent.StepDone step) {
            throw new IllegalStateException("no room");
          }
        };
    assertThatThrownBy(() -> client.async().follow("job-1", failing).get(30, SECONDS))
        .hasRootCauseMessage("no room");
  }

  @Test
  void shouldEndTheCallWhenTheFutureIsCancelled() throws Exception {
    var cancelled = new CountDownLatch(1);
    server.openWatchCancelled = cancelled;
    var isWatching = new CountDownLatch(1);
    CompletableFuture<Job> following =
        client
            .async()
            .follow(
                "job-1",
                new JobListener() {
                  @Override
                  public void queued(JobEvent.Queued queued) {
                    isWatching.countDown();
                  }
                });
    assertThat(isWatching.await(30, SECONDS)).isTrue();
    following.cancel(true);
    assertThat(cancelled.await(30, SECONDS)).isTrue();
    assertThatThrownBy(following::join).isInstanceOf(CancellationException.class);
  }

  @Test
  void shouldRefuseCallsWhenTheClientIsClosed() {
    AsyncLongtakeClient async = client.async();
    client.close();
    assertThatThrownBy(() -> async.get("job-1").get(30, SECONDS))
        .cause()
        .isInstanceOfSatisfying(
            LongtakeClientException.class,
            e -> assertThat(e.reason()).isEqualTo(LongtakeClientException.CANCELED));
  }

  @Test
  void shouldUseTheExecutorAndTheInterceptorsWhenGiven() throws Exception {
    ExecutorService executor =
        Executors.newSingleThreadExecutor(task -> new Thread(task, "of the application"));
    List<String> calls = new CopyOnWriteArrayList<>();
    try (LongtakeClient own =
        builder()
            .executor(executor)
            .interceptor(noting("first", calls))
            .interceptor(noting("second", calls))
            .build()) {
      own.async().get("job-1").get(30, SECONDS);
    }
    assertThat(calls)
        .containsExactly("first: Get on of the application", "second: Get on of the application");
    assertThat(executor.isShutdown()).as("shut down by the client").isFalse();
    executor.shutdown();
  }

  private static ClientInterceptor noting(String name, List<String> calls) {
    return new ClientInterceptor() {
      @Override
      public <Q, A> ClientCall<Q, A> interceptCall(
          MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
        calls.add(
            "%s: %s on %s"
                .formatted(name, method.getBareMethodName(), Thread.currentThread().getName()));
        return next.newCall(method, options);
      }
    };
  }
}
