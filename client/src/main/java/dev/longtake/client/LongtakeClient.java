package dev.longtake.client;

import dev.longtake.v1.CancelJobRequest;
import dev.longtake.v1.ClusterGrpc;
import dev.longtake.v1.ClusterStatus;
import dev.longtake.v1.ContinuationRequest;
import dev.longtake.v1.ContinuationToken;
import dev.longtake.v1.DownloadRequest;
import dev.longtake.v1.DrainRequest;
import dev.longtake.v1.ExplainRequest;
import dev.longtake.v1.ExplainResponse;
import dev.longtake.v1.GenerationGrpc;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.GetJobRequest;
import dev.longtake.v1.Job;
import dev.longtake.v1.JobEvent;
import dev.longtake.v1.ListJobsRequest;
import dev.longtake.v1.ModelCard;
import dev.longtake.v1.ModelRequest;
import dev.longtake.v1.PreviewsRequest;
import dev.longtake.v1.StatusRequest;
import dev.longtake.v1.StreamRequest;
import dev.longtake.v1.SubmitRequest;
import dev.longtake.v1.TraceChunk;
import dev.longtake.v1.TraceRequest;
import dev.longtake.v1.VideoChunk;
import dev.longtake.v1.VideoPreview;
import dev.longtake.v1.WatchRequest;
import dev.longtake.v1.WorkerStatus;
import io.grpc.Channel;
import io.grpc.ClientInterceptor;
import io.grpc.Context;
import io.grpc.StatusRuntimeException;
import io.netty.handler.ssl.SslContext;
import java.io.OutputStream;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * A connection to a Longtake cluster.
 *
 * <pre>{@code
 * try (var client = LongtakeClient.builder().address("127.0.0.1:7400").build()) {
 *   Job job = client.submit(VideoRequest.of("a red circle moving right").build());
 *   client.watch(job.getId(), event -> System.out.println(event.getEventCase()));
 *   client.download(job.getId(), Path.of("circle.mp4"));
 * }
 * }</pre>
 *
 * <p>All methods may be called from any thread and block it until they are done; each has a deadline. They throw {@link
 * LongtakeClientException} and nothing else. {@link #async()} has calls without waiting.
 */
public final class LongtakeClient implements AutoCloseable {
  private final Duration callTimeout;
  private final Duration watchTimeout;
  private final Duration downloadTimeout;
  private final Duration reconnectTimeout;
  private final Coordinators coordinators;
  private final ServedModel model = new ServedModel(this::askForModel);
  private final Executor executor;

  /** Where the executor is this client's own. */
  private final Optional<ExecutorService> ownThreads;

  /** Counted down by {@link #close()}, so that nobody goes on waiting to reconnect. */
  private final CountDownLatch closed = new CountDownLatch(1);

  /** While nothing has answered yet at this address. */
  private static final Duration FIRST_PATIENCE = Duration.ofMillis(1500);

  private volatile boolean isReached;

  private LongtakeClient(Builder builder) {
    this.callTimeout = builder.callTimeout;
    this.watchTimeout = builder.watchTimeout;
    this.downloadTimeout = builder.downloadTimeout;
    this.reconnectTimeout = builder.reconnectTimeout;
    this.coordinators =
        new Coordinators(builder.addresses, builder.tls, builder.apiKey, builder.interceptors);
    Executor given = builder.executor;
    this.ownThreads =
        given == null
            ? Optional.of(Executors.newCachedThreadPool(LongtakeClient::thread))
            : Optional.empty();
    this.executor = given == null ? ownThreads.orElseThrow() : given;
  }

  /** A daemon: a call that is forgotten does not keep the application from ending. */
  private static Thread thread(Runnable task) {
    Thread thread = new Thread(task, "longtake-client");
    thread.setDaemon(true);
    return thread;
  }

  public static Builder builder() {
    return new Builder();
  }

  /** Settings of a client; every one has a default. */
  public static final class Builder {
    private List<String> addresses = List.of("127.0.0.1:7400");
    private Duration callTimeout = Duration.ofSeconds(30);
    private Duration watchTimeout = Duration.ofHours(24);
    private Duration downloadTimeout = Duration.ofMinutes(30);
    private Duration reconnectTimeout = Duration.ofMinutes(2);
    private @Nullable SslContext tls;
    private String apiKey = "";
    private final List<ClientInterceptor> interceptors = new ArrayList<>();
    private @Nullable Executor executor;

    private Builder() {}

    /** The coordinator as {@code host:port}; default {@code 127.0.0.1:7400}. */
    public Builder address(String address) {
      return addresses(List.of(address));
    }

    /**
     * The coordinators of a cluster that has several, each as {@code host:port}. All calls go to the one that leads, also after another one
     * has taken over.
     */
    public Builder addresses(List<String> addresses) {
      this.addresses = List.copyOf(addresses);
      return this;
    }

    /**
     * Mutual TLS; default plain text. The files are read now.
     *
     * @param certificates in PEM: the client's own first, then those between it and the cluster's authority
     * @param key the certificate's private key in PEM (PKCS#8, not encrypted)
     * @param authorities certificates in PEM of those that the coordinator's may be signed by
     * @throws LongtakeClientException INVALID_REQUEST when a file is missing or holds something else
     */
    public Builder tls(Path certificates, Path key, Path authorities) {
      this.tls = ClientTls.read(certificates, key, authorities);
      return this;
    }

    /**
     * TLS without a certificate of this client's, for a cluster that knows callers by their keys; default plain text. The file is read now.
     *
     * @param authorities certificates in PEM of those that the coordinator's may be signed by
     * @throws LongtakeClientException INVALID_REQUEST when the file is missing or holds something else
     */
    public Builder tls(Path authorities) {
      this.tls = ClientTls.read(authorities);
      return this;
    }

    /**
     * The key that is shown with every call; default none. Without {@link #tls} whoever can read the connection can read the key.
     *
     * @throws LongtakeClientException INVALID_REQUEST when it has characters that no key has
     */
    public Builder apiKey(String apiKey) {
      ApiKey.require(apiKey);
      this.apiKey = apiKey;
      return this;
    }

    /** Sees every call to every coordinator, for example to trace or to count it; the first one added sees a call first. */
    public Builder interceptor(ClientInterceptor interceptor) {
      interceptors.add(interceptor);
      return this;
    }

    /**
     * Runs the calls of {@link #async()}, one thread for each until it is done; the caller's to shut down. Default: a thread of the client's
     * own for each. On a JVM that has them, virtual threads serve well.
     */
    public Builder executor(Executor executor) {
      this.executor = executor;
      return this;
    }

    /** For each call that answers at once; default 30 s. */
    public Builder callTimeout(Duration callTimeout) {
      this.callTimeout = callTimeout;
      return this;
    }

    /** For watching one job to its end, the queue included; default 24 h. */
    public Builder watchTimeout(Duration watchTimeout) {
      this.watchTimeout = watchTimeout;
      return this;
    }

    /** For fetching one video or trace; default 30 min. */
    public Builder downloadTimeout(Duration downloadTimeout) {
      this.downloadTimeout = downloadTimeout;
      return this;
    }

    /**
     * How long submitting, watching and fetching go on while a coordinator that answered before can't be reached, for example because it is
     * restarted, or while none of several leads; default 2 min.
     */
    public Builder reconnectTimeout(Duration reconnectTimeout) {
      this.reconnectTimeout = reconnectTimeout;
      return this;
    }

    /**
     * A client that connects on its first call.
     *
     * @throws LongtakeClientException INVALID_REQUEST when an address is not {@code host:port}
     */
    public LongtakeClient build() {
      return new LongtakeClient(this);
    }
  }

  /** The coordinator's {@code host:port}; of several, with commas. */
  public String address() {
    return coordinators.addresses();
  }

  /** Calls without waiting. */
  public AsyncLongtakeClient async() {
    return new AsyncLongtakeClient(this, executor);
  }

  /**
   * The model that the cluster serves, with its limits and defaults; asked for once.
   *
   * @throws LongtakeClientException NO_WORKERS until a worker has joined
   */
  public ModelCard model() {
    return model.card();
  }

  private ModelCard askForModel() {
    return call(
        /* isPatient= */ true,
        channel ->
            ClusterGrpc.newBlockingStub(channel)
                .withDeadlineAfter(callTimeout.toNanos(), TimeUnit.NANOSECONDS)
                .model(ModelRequest.getDefaultInstance()));
  }

  /**
   * Checks a request against the model's limits, and queues a job. A submission whose answer was lost is made again, and still makes one
   * job.
   *
   * @throws LongtakeClientException INVALID_REQUEST, with the field, when it is outside the limits; nothing was sent then, unless only the
   *     coordinator could know
   */
  public Job submit(VideoRequest request) {
    model.check(request.message());
    return submit(request.message());
  }

  /**
   * Queues a job. The returned job's request has every default filled in, the seed included: submitting it again makes the
   * same video, byte for byte.
   */
  public Job submit(GenerationRequest request) {
    return submit(SubmitRequest.newBuilder().setRequest(request).build());
  }

  /**
   * As {@link #submit(GenerationRequest)}, with a tenant, a priority, a deadline or an idempotency key. Where the request has no key it
   * gets one, so that a submission whose answer was lost can be made again without making a second job.
   */
  public Job submit(SubmitRequest request) {
    SubmitRequest keyed =
        request.getIdempotencyKey().isEmpty()
            ? request.toBuilder().setIdempotencyKey(UUID.randomUUID().toString()).build()
            : request;
    return call(/* isPatient= */ true, channel -> generation(channel).submit(keyed));
  }

  /** The job as it is now. */
  public Job get(String jobId) {
    return call(
        channel -> generation(channel).get(GetJobRequest.newBuilder().setJobId(jobId).build()));
  }

  /**
   * Jobs, newest first.
   *
   * @param limit at most this many, 1 to 1000; 0 for 100
   */
  public List<Job> list(int limit) {
    return call(channel ->
        generation(channel)
            .list(ListJobsRequest.newBuilder().setLimit(limit).build())
            .getJobsList());
  }

  /** Stops a queued or running job; a job that ended already is returned unchanged. */
  public Job cancel(String jobId) {
    return call(channel ->
        generation(channel).cancel(CancelJobRequest.newBuilder().setJobId(jobId).build()));
  }

  /**
   * Gives a worker no new work; when its jobs are done it leaves and its process ends.
   *
   * @return the worker as it is now
   */
  public WorkerStatus drain(String workerId) {
    return call(channel ->
        ClusterGrpc.newBlockingStub(channel)
            .withDeadlineAfter(callTimeout.toNanos(), TimeUnit.NANOSECONDS)
            .drain(DrainRequest.newBuilder().setWorkerId(workerId).build()));
  }

  /** Workers, model and number of jobs. */
  public ClusterStatus clusterStatus() {
    return call(channel ->
        ClusterGrpc.newBlockingStub(channel)
            .withDeadlineAfter(callTimeout.toNanos(), TimeUnit.NANOSECONDS)
            .status(StatusRequest.getDefaultInstance()));
  }

  /**
   * The job's events after the given one, those of the past first; the last is the terminal one. A lost connection is
   * taken up again where it broke. Close the events to stop early.
   *
   * @param afterSequence 0 for all
   */
  public JobEvents events(String jobId, long afterSequence) {
    return new JobEvents(this, jobId, afterSequence, watchTimeout);
  }

  /**
   * Hands every event of the job to {@code listener}, on the calling thread, until the job ends.
   *
   * @return the ended job: done, failed or cancelled
   */
  public Job watch(String jobId, Consumer<JobEvent> listener) {
    try (JobEvents events = events(jobId, 0)) {
      Job ended = Job.getDefaultInstance();
      while (events.hasNext()) {
        JobEvent event = events.next();
        listener.accept(event);
        if (event.hasEnded()) {
          ended = event.getEnded();
        }
      }
      return ended;
    }
  }

  /**
   * Fetches the finished video into {@code target}, replacing a file there only when all bytes have arrived and their
   * SHA-256 is the one the coordinator recorded. A broken download is resumed, also by a later call: until then the bytes
   * are in {@code <target>.<job id>.part}.
   *
   * @return {@code target}
   */
  public Path download(String jobId, Path target) {
    new Download(this, get(jobId), target, downloadTimeout).run();
    return target;
  }

  /**
   * Writes the video to {@code target} while it is made, from its first segment on, until the job has ended in whatever way: a fragmented
   * MP4, flushed after each part, which plays as far as it has come. A lost connection is taken up again where it broke.
   *
   * @param target the caller's
   * @return the bytes that came
   */
  public long stream(String jobId, OutputStream target) {
    return new StreamDownload(this, jobId, target, watchTimeout).run();
  }

  /**
   * Hands previews of the job's video to {@code listener}, on the calling thread, until the job has ended: the newest one, then each new
   * one that comes before the listener is done with the last. There are some where the request asks for them ({@code preview_every}).
   */
  public void previews(String jobId, Consumer<VideoPreview> listener) {
    Context.CancellableContext context = Context.current().withCancellation();
    Reconnection reconnection = new Reconnection(this, watchTimeout);
    try {
      while (true) {
        try {
          Iterator<VideoPreview> previews = openPreviews(context, jobId, reconnection);
          while (previews.hasNext()) {
            listener.accept(previews.next());
            reconnection.succeeded();
          }
          return;
        } catch (StatusRuntimeException e) {
          reconnection.pauseOrThrow(e);
        }
      }
    } finally {
      context.cancel(null);
    }
  }

  /**
   * What another job needs to go on where this one's last done segment ends: see {@link SubmitRequest#getContinuation}. The job may run, or
   * have ended in any way.
   */
  public ContinuationToken continuation(String jobId) {
    return call(channel ->
        generation(channel).continuation(ContinuationRequest.newBuilder().setJobId(jobId).build()));
  }

  /**
   * Fetches what every worker of a done job did when into {@code target}, replacing a file there when all bytes have arrived. The
   * file is in Chrome's trace event format, which Perfetto opens.
   *
   * @return {@code target}
   */
  public Path trace(String jobId, Path target) {
    new TraceDownload(this, jobId, target, downloadTimeout).run();
    return target;
  }

  /**
   * How a request would be divided among the workers that are there, and why; nothing is queued.
   *
   * @param request its prompt need not be given
   * @param limit at most this many candidates, the best ones; 0 for 20
   */
  public ExplainResponse explain(GenerationRequest request, int limit) {
    return call(channel ->
        ClusterGrpc.newBlockingStub(channel)
            .withDeadlineAfter(callTimeout.toNanos(), TimeUnit.NANOSECONDS)
            .explain(ExplainRequest.newBuilder().setRequest(request).setLimit(limit).build()));
  }

  /** Ends all connections; calls in flight fail. */
  @Override
  public void close() {
    closed.countDown();
    coordinators.close();
    ownThreads.ifPresent(ExecutorService::shutdown);
  }

  /** One stream of events, ended by cancelling {@code context}. */
  Iterator<JobEvent> openEvents(
      Context.CancellableContext context,
      String jobId,
      long afterSequence,
      Reconnection reconnection) {
    return inContext(
        context,
        () ->
            GenerationGrpc.newBlockingStub(reconnection.channel())
                .withDeadlineAfter(reconnection.remainingNanos(), TimeUnit.NANOSECONDS)
                .watch(
                    WatchRequest.newBuilder()
                        .setJobId(jobId)
                        .setAfterSequence(afterSequence)
                        .build()));
  }

  /** One stream of the video from {@code offset}, ended by cancelling {@code context}. */
  Iterator<VideoChunk> openVideo(
      Context.CancellableContext context, String jobId, long offset, Reconnection reconnection) {
    return inContext(
        context,
        () ->
            GenerationGrpc.newBlockingStub(reconnection.channel())
                .withDeadlineAfter(reconnection.remainingNanos(), TimeUnit.NANOSECONDS)
                .download(DownloadRequest.newBuilder().setJobId(jobId).setOffset(offset).build()));
  }

  /** One stream of the growing video from {@code offset}, ended by cancelling {@code context}. */
  Iterator<VideoChunk> openStream(
      Context.CancellableContext context, String jobId, long offset, Reconnection reconnection) {
    return inContext(
        context,
        () ->
            GenerationGrpc.newBlockingStub(reconnection.channel())
                .withDeadlineAfter(reconnection.remainingNanos(), TimeUnit.NANOSECONDS)
                .stream(StreamRequest.newBuilder().setJobId(jobId).setOffset(offset).build()));
  }

  /** One stream of previews, ended by cancelling {@code context}. */
  private Iterator<VideoPreview> openPreviews(
      Context.CancellableContext context, String jobId, Reconnection reconnection) {
    return inContext(
        context,
        () ->
            GenerationGrpc.newBlockingStub(reconnection.channel())
                .withDeadlineAfter(reconnection.remainingNanos(), TimeUnit.NANOSECONDS)
                .previews(PreviewsRequest.newBuilder().setJobId(jobId).build()));
  }

  /** One stream of the trace, ended by cancelling {@code context}. */
  Iterator<TraceChunk> openTrace(
      Context.CancellableContext context, String jobId, Reconnection reconnection) {
    return inContext(
        context,
        () ->
            GenerationGrpc.newBlockingStub(reconnection.channel())
                .withDeadlineAfter(reconnection.remainingNanos(), TimeUnit.NANOSECONDS)
                .trace(TraceRequest.newBuilder().setJobId(jobId).build()));
  }

  /** The coordinator has answered. */
  void reached() {
    isReached = true;
  }

  /** How long calls that can be made again are, while nothing answers. */
  Duration patience() {
    return isReached ? reconnectTimeout : FIRST_PATIENCE;
  }

  /** Waits before a reconnection; returns false when the client was closed or the thread interrupted meanwhile. */
  boolean pause(Duration duration) {
    try {
      boolean isClosed = closed.await(duration.toMillis(), TimeUnit.MILLISECONDS);
      coordinators.resetConnectBackoff();
      return !isClosed;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
  }

  Coordinators coordinators() {
    return coordinators;
  }

  private GenerationGrpc.GenerationBlockingStub generation(Channel channel) {
    return GenerationGrpc.newBlockingStub(channel)
        .withDeadlineAfter(callTimeout.toNanos(), TimeUnit.NANOSECONDS);
  }

  private static <T> T inContext(Context context, Supplier<T> call) {
    Context previous = context.attach();
    try {
      return call.get();
    } finally {
      context.detach(previous);
    }
  }

  private <T> T call(Function<Channel, T> call) {
    return call(coordinators.areSeveral(), call);
  }

  /** @param isPatient whether the call, which does no harm when it is made twice, is made again after a lost connection */
  private <T> T call(boolean isPatient, Function<Channel, T> call) {
    Reconnection reconnection = new Reconnection(this, reconnectTimeout);
    while (true) {
      try {
        T answer = call.apply(reconnection.channel());
        reached();
        return answer;
      } catch (StatusRuntimeException e) {
        if (!isPatient) {
          throw LongtakeClientException.of(e, address());
        }
        reconnection.pauseOrThrow(e);
      }
    }
  }
}
