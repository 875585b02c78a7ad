package dev.longtake.worker.exchange;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.tls.TlsIdentity;
import dev.longtake.v1.ExchangeCredit;
import dev.longtake.v1.ExchangeHello;
import dev.longtake.worker.exchange.wire.ExchangeCalls;
import io.grpc.BindableService;
import io.grpc.stub.ServerCallStreamObserver;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;

/**
 * Brings the streams of peers together with the orders of this worker. A stream may come before the order: then it waits
 * without being read, for a bounded time and in bounded number. The hub remembers the newest attempt at each job and
 * refuses older ones, so that nothing a replaced attempt still sends is taken in.
 *
 * <p>Thread-safe. Lock order: the hub's monitor is never held while a session or a stream is called.
 */
public final class ExchangeHub implements AutoCloseable {
  /** Version of the exchange's protocol; see exchange.proto. */
  static final int PROTOCOL = 4;

  /** Jobs whose newest attempt is remembered; far more than can have streams under way. */
  private static final int REMEMBERED_JOBS = 4096;

  private final ExchangeSettings settings;
  private final @Nullable TlsIdentity tls;
  private final ScheduledThreadPoolExecutor timer;
  private final LongAdder droppedChunks = new LongAdder();
  private final ExchangeMeters meters;

  // All guarded by this.
  private final LinkedHashMap<String, Long> newestAttempts =
      new LinkedHashMap<>() {
        private static final long serialVersionUID = 1L;

        @Override
        protected boolean removeEldestEntry(Map.Entry<String, Long> eldest) {
          return size() > REMEMBERED_JOBS;
        }
      };
  private final Map<String, GrpcGang> sessions = new HashMap<>();
  private final List<Waiting> waiting = new ArrayList<>();
  private boolean closed;

  private record Waiting(IncomingStream stream, ExchangeHello hello, ScheduledFuture<?> end) {}

  /** A hub whose meters nobody reads. */
  public ExchangeHub(ExchangeSettings settings, @Nullable TlsIdentity tls) {
    this(settings, tls, new SimpleMeterRegistry());
  }

  /**
   * Nothing is connected yet.
   *
   * @param tls for connections to peers; null for plain text
   * @param registry of the process
   */
  public ExchangeHub(ExchangeSettings settings, @Nullable TlsIdentity tls, MeterRegistry registry) {
    this.settings = settings;
    this.tls = tls;
    this.timer =
        new ScheduledThreadPoolExecutor(
            1, Thread.ofPlatform().name("lt-exchange-tmr").daemon().factory());
    timer.setRemoveOnCancelPolicy(true);
    this.meters = new ExchangeMeters(registry, this);
  }

  /** The gRPC service to add to this worker's server. */
  public BindableService service() {
    return ExchangeCalls.service(
        credits -> new IncomingStream(this, (ServerCallStreamObserver<ExchangeCredit>) credits));
  }

  /**
   * Joins an attempt at a job: streams to the peers are opened, those from the peers are taken in. With one rank there
   * are none. The caller closes the exchanges.
   *
   * @param gang all ranks, in their order
   * @param lanes exchanges that do not wait for one another, at least 1
   * @param timeout how long the silence of a peer is borne while something is awaited from it
   * @throws LongtakeException STALE_ATTEMPT when the worker already had this or a newer attempt at the job
   */
  public GrpcGang open(
      String jobId, long attempt, int rank, List<GangMember> gang, int lanes, Duration timeout) {
    IntFunction<LinkMeters> links = peer -> meters.link(gang.get(peer).id());
    GrpcGang session;
    GrpcGang replaced;
    var arrived = new ArrayList<Waiting>();
    synchronized (this) {
      if (closed) {
        throw stopping();
      }
      Long newest = newestAttempts.get(jobId);
      if (newest != null && newest >= attempt) {
        throw stale(jobId, attempt, newest);
      }
      session = new GrpcGang(this, settings, jobId, attempt, rank, gang, links, lanes, timeout);
      newestAttempts.put(jobId, attempt);
      replaced = sessions.put(jobId, session);
      waiting.removeIf(w -> {
        boolean ours = w.hello.getJobId().equals(jobId) && w.hello.getAttempt() <= attempt;
        if (ours) {
          arrived.add(w);
        }
        return ours;
      });
    }
    if (replaced != null) {
      replaced.abort(stale(jobId, replaced.attempt(), attempt));
    }
    for (Waiting w : arrived) {
      w.end.cancel(false);
      if (w.hello.getAttempt() == attempt) {
        session.attach(w.stream, w.hello);
      } else {
        w.stream.refuse(stale(jobId, w.hello.getAttempt(), attempt));
      }
    }
    session.start();
    return session;
  }

  /** The connections to a peer, which are made when they are used; the caller owns them. */
  PeerChannels connect(GangMember peer) {
    return new PeerChannels(peer, settings.connections(), tls);
  }

  /** Chunks that arrived and wait to be consumed, all jobs together. */
  public int queuedChunks() {
    return live().stream().mapToInt(GrpcGang::queuedChunks).sum();
  }

  /** Payload bytes that all jobs hold on their way. */
  long heldBytes() {
    return live().stream().mapToLong(GrpcGang::heldBytes).sum();
  }

  /** What {@link #heldBytes} can be at most, with the exchanges that are open. */
  long heldLimitBytes() {
    return live().stream().mapToLong(GrpcGang::heldLimitBytes).sum();
  }

  private synchronized List<GrpcGang> live() {
    return List.copyOf(sessions.values());
  }

  /** A chunk came that no exchange wanted any more. */
  void droppedChunk() {
    droppedChunks.increment();
  }

  /** Chunks that came too late: their attempt at the job was replaced, had failed or had ended here. */
  public long droppedChunks() {
    return droppedChunks.sum();
  }

  /** Jobs that have an open exchange. */
  public synchronized int openExchanges() {
    return sessions.size();
  }

  /** Streams that wait for an order. */
  public synchronized int waitingStreams() {
    return waiting.size();
  }

  /** Decides on a stream whose hello was read. */
  void arrived(IncomingStream stream, ExchangeHello hello) {
    GrpcGang session = null;
    LongtakeException refusal = null;
    synchronized (this) {
      Long newest = newestAttempts.get(hello.getJobId());
      if (closed) {
        refusal = stopping();
      } else if (hello.getProtocol() != PROTOCOL) {
        refusal = otherProtocol(hello);
      } else if (newest != null && hello.getAttempt() < newest) {
        refusal = stale(hello.getJobId(), hello.getAttempt(), newest);
      } else if (newest != null && hello.getAttempt() == newest) {
        session = sessions.get(hello.getJobId());
        if (session == null) {
          refusal = noSuchJob(hello, "it has already ended on this worker");
        }
      } else {
        refusal = keepWaiting(stream, hello);
      }
    }
    if (refusal != null) {
      stream.refuse(refusal);
    } else if (session != null) {
      session.attach(stream, hello);
    }
  }

  /** With the monitor held. Why the stream may not wait, or null when it does. */
  private @Nullable LongtakeException keepWaiting(IncomingStream stream, ExchangeHello hello) {
    if (waiting.stream().anyMatch(w -> w.hello.equals(hello))) {
      return duplicate(hello);
    }
    if (waiting.size() >= settings.maxWaitingStreams()) {
      return new LongtakeException(
          ErrorCode.QUEUE_FULL,
          "Expected at most %d streams to wait for their orders, but one more came for job %s; try again later"
              .formatted(settings.maxWaitingStreams(), hello.getJobId()));
    }
    try {
      ScheduledFuture<?> end =
          timer.schedule(
              () -> giveUp(stream, hello), settings.orderWait().toNanos(), TimeUnit.NANOSECONDS);
      waiting.add(new Waiting(stream, hello, end));
      return null;
    } catch (RejectedExecutionException e) {
      return stopping();
    }
  }

  private void giveUp(IncomingStream stream, ExchangeHello hello) {
    boolean waited;
    synchronized (this) {
      waited = waiting.removeIf(w -> w.stream == stream);
    }
    if (waited) {
      stream.refuse(
          noSuchJob(
              hello,
              "no order for it came within %s s"
                  .formatted(settings.orderWait().toMillis() / 1000.0)));
    }
  }

  /** Runs something now and then until it is cancelled; null when the worker shuts down. It must not block. */
  @Nullable Future<?> repeat(Runnable work, int everyMillis) {
    try {
      return timer.scheduleAtFixedRate(work, everyMillis, everyMillis, TimeUnit.MILLISECONDS);
    } catch (RejectedExecutionException e) {
      return null;
    }
  }

  /** The stream is over, for whatever reason. */
  synchronized void gone(IncomingStream stream) {
    waiting.removeIf(w -> {
      boolean same = w.stream == stream;
      if (same) {
        w.end.cancel(false);
      }
      return same;
    });
  }

  synchronized void closed(GrpcGang session) {
    sessions.remove(session.jobId(), session);
  }

  private static LongtakeException stale(String jobId, long attempt, long newest) {
    return new LongtakeException(
        ErrorCode.STALE_ATTEMPT,
        "Expected an attempt at job %s after attempt %d, which this worker has had, but got attempt %d"
            .formatted(jobId, newest, attempt));
  }

  private static LongtakeException noSuchJob(ExchangeHello hello, String why) {
    return new LongtakeException(
        ErrorCode.NO_SUCH_JOB,
        "Expected an order for job %s, attempt %d, as rank %d, but %s"
            .formatted(hello.getJobId(), hello.getAttempt(), hello.getToRank(), why));
  }

  private static LongtakeException otherProtocol(ExchangeHello hello) {
    return new LongtakeException(
        ErrorCode.BUILD_MISMATCH,
        "Expected version %d of the exchange's protocol from rank %d of job %s, but it has %d; start all workers from the same build"
            .formatted(PROTOCOL, hello.getFromRank(), hello.getJobId(), hello.getProtocol()));
  }

  static LongtakeException duplicate(ExchangeHello hello) {
    return new LongtakeException(
        ErrorCode.WRONG_STATE,
        "Expected one stream %d from rank %d to rank %d for job %s, attempt %d, lane %d, but got a second one, or a number above the limit"
            .formatted(
                hello.getStream(),
                hello.getFromRank(),
                hello.getToRank(),
                hello.getJobId(),
                hello.getAttempt(),
                hello.getLane()));
  }

  private static LongtakeException stopping() {
    return new LongtakeException(ErrorCode.CANCELED, "This worker is shutting down");
  }

  /** Ends every exchange and refuses the streams that wait. The exchanges' owners still close them. */
  @Override
  public void close() {
    List<GrpcGang> live;
    List<Waiting> refused;
    synchronized (this) {
      closed = true;
      live = List.copyOf(sessions.values());
      refused = List.copyOf(waiting);
      waiting.clear();
    }
    timer.shutdownNow();
    live.forEach(session -> session.abort(stopping()));
    refused.forEach(w -> w.stream.refuse(stopping()));
  }
}
