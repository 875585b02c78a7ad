package dev.longtake.worker.service;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.rpc.Bearer;
import dev.longtake.common.rpc.Endpoints;
import dev.longtake.common.rpc.GrpcErrors;
import dev.longtake.common.tls.TlsFailures;
import dev.longtake.common.tls.TlsIdentity;
import dev.longtake.v1.WorkerReport;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A worker's membership in a cluster, kept up by the thread {@code lt-membership}: joins, sends heartbeats, and joins
 * again after the stream broke (the coordinator restarted, the network was cut) with exponentially growing pauses, each
 * shortened at random so that a cluster's workers don't return all at once.
 *
 * <p>Of several coordinators one leads; the others refuse the worker with NOT_LEADER. They are tried in turn, with a pause after all of them.
 *
 * <p>It ends by itself only when the coordinator refuses the worker for good. A WORKER_ID_IN_USE on the way back is borne
 * for as long as a first join may take: it is this worker's own old stream that the coordinator has not missed yet.
 */
public final class ClusterMembership implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(ClusterMembership.class);
  private static final Duration WELCOME_TIMEOUT = Duration.ofSeconds(10);
  private static final Duration MIN_HEARTBEAT = Duration.ofMillis(10);
  private static final Duration DEFAULT_HEARTBEAT = Duration.ofSeconds(1);

  private final List<String> coordinators;
  private final @Nullable TlsIdentity tls;
  private final String apiKey;
  private final WorkerReport introduction;
  private final Supplier<WorkerReport> reports;
  private final MembershipSettings settings;
  private final RandomGenerator random;
  private final CompletableFuture<Void> joined = new CompletableFuture<>();
  private final CompletableFuture<LongtakeException> refused = new CompletableFuture<>();
  private final CompletableFuture<@Nullable Void> toldToLeave = new CompletableFuture<>();
  private final CountDownLatch closing = new CountDownLatch(1);
  private final Thread thread;
  private String coordinator; // the one that is tried now, of the membership's thread
  private volatile @Nullable JoinStream stream;

  private ClusterMembership(
      List<String> coordinators,
      @Nullable TlsIdentity tls,
      String apiKey,
      WorkerReport introduction,
      Supplier<WorkerReport> reports,
      MembershipSettings settings,
      RandomGenerator random) {
    this.coordinators = List.copyOf(coordinators);
    this.coordinator = coordinators.getFirst();
    this.tls = tls;
    this.apiKey = apiKey;
    this.introduction = introduction;
    this.reports = reports;
    this.settings = settings;
    this.random = random;
    this.thread = Thread.ofPlatform().name("lt-membership").daemon().unstarted(this::keepJoined);
  }

  /**
   * Joins, and returns when the coordinator has welcomed the worker.
   *
   * @param coordinators {@code host:port} each, at least one
   * @param tls null for plain text
   * @param apiKey what the coordinators want to be shown; empty: nothing
   * @param introduction what the first report of each stream says beside
   * @param reports asked for what each report says, by the membership's thread
   * @throws LongtakeException UNREACHABLE when nothing answered in time, or TLS with what answers failed; MODEL_MISMATCH, BUILD_MISMATCH,
   *     WORKER_ID_IN_USE, INVALID_REQUEST, UNAUTHENTICATED or PERMISSION_DENIED when the coordinator refuses the worker
   */
  public static ClusterMembership join(
      List<String> coordinators,
      @Nullable TlsIdentity tls,
      String apiKey,
      WorkerReport introduction,
      Supplier<WorkerReport> reports,
      MembershipSettings settings,
      RandomGenerator random) {
    coordinators.forEach(Endpoints::requireAddress);
    var membership =
        new ClusterMembership(coordinators, tls, apiKey, introduction, reports, settings, random);
    membership.thread.start();
    try {
      // Bounded: the thread completes it when the time for the first join is over.
      membership.joined.get();
      return membership;
    } catch (ExecutionException e) {
      membership.close();
      if (e.getCause() instanceof LongtakeException failure) {
        throw new LongtakeException(failure.code(), failure.getMessage(), failure);
      }
      throw new LongtakeException(
          ErrorCode.INTERNAL, "Joining the cluster failed: " + e.getCause(), e);
    } catch (InterruptedException e) {
      membership.close();
      Thread.currentThread().interrupt();
      throw new LongtakeException(
          ErrorCode.CANCELED, "Interrupted while joining " + String.join(",", coordinators), e);
    }
  }

  /** Completes when the coordinator refuses the worker on its way back; the process should end with that error. */
  public CompletableFuture<LongtakeException> refused() {
    return refused.copy();
  }

  /** Completes when the coordinator says that the worker has nothing left to do and shall leave. */
  public CompletableFuture<@Nullable Void> toldToLeave() {
    return toldToLeave.copy();
  }

  /** Reports without waiting for the next heartbeat; where there is no stream now, the one to come begins with a report. */
  public void reportSoon() {
    JoinStream current = stream;
    if (current != null) {
      current.reportSoon();
    }
  }

  private void keepJoined() {
    try {
      long lostNanos = System.nanoTime();
      int tries = 0;
      // The last try before the time is up is cut short; what an earlier one heard says more.
      Throwable lastError = null;
      while (!isClosing()) {
        boolean wasJoined = joined.isDone();
        Outcome outcome = joinOnce(firstJoinLeft(wasJoined, lostNanos));
        if (outcome.welcomed) {
          lostNanos = System.nanoTime();
          tries = 0;
          lastError = null;
        }
        if (isClosing()) {
          return;
        }
        lastError = outcome.error != null ? outcome.error : lastError;
        if (isFinal(outcome.error, lostNanos)) {
          end(refusal(lastError, wasJoined));
          return;
        }
        LOG.warn("{}: {}; trying again", place(), reason(outcome.error));
        tries++;
        coordinator =
            coordinators.get((coordinators.indexOf(coordinator) + 1) % coordinators.size());
        if (tries % coordinators.size() == 0) {
          pause(tries / coordinators.size() - 1);
        }
      }
    } catch (InterruptedException e) {
      end(new LongtakeException(ErrorCode.CANCELED, "The membership was interrupted", e));
    } catch (RuntimeException e) {
      LOG.error("The membership failed", e);
      end(new LongtakeException(ErrorCode.INTERNAL, "The membership failed: " + e, e));
    }
  }

  private record Outcome(boolean welcomed, @Nullable Throwable error) {}

  /** One Join call until it ends. */
  private Outcome joinOnce(long welcomeNanos) throws InterruptedException {
    ManagedChannel channel = Endpoints.connect(coordinator, tls);
    var join = new JoinStream(() -> toldToLeave.complete(null));
    stream = join;
    try {
      if (isClosing()) {
        return new Outcome(false, null);
      }
      join.start(
          Bearer.with(apiKey, channel), reports.get().toBuilder().mergeFrom(introduction).build());
      Duration interval = join.awaitWelcome(welcomeNanos);
      if (interval == null) {
        return new Outcome(false, join.error());
      }
      LOG.info("Joined the cluster of {} as {}", place(), introduction.getDescription().getId());
      joined.complete(null);
      join.heartbeatUntilEnd(heartbeat(interval), reports);
      return new Outcome(true, join.error());
    } finally {
      stream = null;
      join.close(channel);
    }
  }

  private static Duration heartbeat(Duration asked) {
    if (asked.isZero() || asked.isNegative()) {
      return DEFAULT_HEARTBEAT;
    }
    return asked.compareTo(MIN_HEARTBEAT) < 0 ? MIN_HEARTBEAT : asked;
  }

  private long firstJoinLeft(boolean wasJoined, long sinceNanos) {
    long welcomeNanos = WELCOME_TIMEOUT.toNanos();
    if (wasJoined) {
      return welcomeNanos;
    }
    long leftNanos = settings.firstJoinTimeout().toNanos() - (System.nanoTime() - sinceNanos);
    return Math.clamp(leftNanos, 1, welcomeNanos);
  }

  private boolean isFinal(@Nullable Throwable error, long lostNanos) {
    boolean timeIsUp = System.nanoTime() - lostNanos >= settings.firstJoinTimeout().toNanos();
    if (error == null) {
      return !joined.isDone() && timeIsUp;
    }
    ErrorCode code = codeOf(error);
    if (code == ErrorCode.WORKER_ID_IN_USE) {
      return !joined.isDone() || timeIsUp;
    }
    // Other files or options are needed, which take another start.
    boolean isTls = TlsFailures.reason(error).isPresent();
    return isRefusal(code) || (!joined.isDone() && (timeIsUp || isTls));
  }

  private ErrorCode codeOf(Throwable error) {
    ErrorCode code = GrpcErrors.fromStatus(error, place()).code();
    Status.Code status = Status.fromThrowable(error).getCode();
    return code == ErrorCode.INTERNAL && status == Status.Code.INVALID_ARGUMENT
        ? ErrorCode.INVALID_REQUEST
        : code;
  }

  private LongtakeException refusal(@Nullable Throwable error, boolean wasJoined) {
    if (error != null && isRefusal(codeOf(error))) {
      return new LongtakeException(
          codeOf(error),
          "The coordinator at %s refused this worker%s: %s"
              .formatted(coordinator, wasJoined ? " on its way back" : "", reason(error)),
          error);
    }
    Optional<String> tlsFailure = error == null ? Optional.empty() : TlsFailures.reason(error);
    if (tlsFailure.isPresent()) {
      return new LongtakeException(
          ErrorCode.UNREACHABLE,
          "Expected a coordinator at %s that this worker can join, but %s"
              .formatted(coordinator, tlsFailure.get()),
          error);
    }
    if (error != null && codeOf(error) == ErrorCode.NOT_LEADER) {
      return new LongtakeException(
          ErrorCode.UNREACHABLE,
          "Expected a coordinator that leads at %s, but none did within %s s (%s); give the addresses of all with --coordinator A,B"
              .formatted(
                  String.join(",", coordinators),
                  settings.firstJoinTimeout().toMillis() / 1000.0,
                  reason(error)),
          error);
    }
    if (error != null && codeOf(error) != ErrorCode.UNREACHABLE) {
      return new LongtakeException(
          ErrorCode.UNREACHABLE,
          "Expected a coordinator at %s, but what answers there is none (%s); correct --coordinator"
              .formatted(coordinator, reason(error)),
          error);
    }
    return new LongtakeException(
        ErrorCode.UNREACHABLE,
        "Expected a coordinator at %s, but nothing answered within %s s; start it or correct --coordinator"
            .formatted(
                String.join(",", coordinators), settings.firstJoinTimeout().toMillis() / 1000.0),
        error);
  }

  private static boolean isRefusal(ErrorCode code) {
    return code == ErrorCode.MODEL_MISMATCH
        || code == ErrorCode.BUILD_MISMATCH
        || code == ErrorCode.WORKER_ID_IN_USE
        || code == ErrorCode.INVALID_REQUEST
        || code == ErrorCode.UNAUTHENTICATED
        || code == ErrorCode.PERMISSION_DENIED;
  }

  private String reason(@Nullable Throwable error) {
    return error == null
        ? "the stream ended"
        : GrpcErrors.fromStatus(error, coordinator).getMessage();
  }

  private String place() {
    return "the coordinator at " + coordinator;
  }

  private void end(LongtakeException failure) {
    if (!joined.completeExceptionally(failure)) {
      refused.complete(failure);
    }
  }

  /** Between half the pause and all of it. */
  private void pause(int tries) throws InterruptedException {
    long minMillis = settings.minBackoff().toMillis();
    long maxMillis = settings.maxBackoff().toMillis();
    long millis = Math.min(maxMillis, minMillis << Math.min(tries, 16));
    var _ = closing.await(millis / 2 + random.nextLong(millis / 2 + 1), TimeUnit.MILLISECONDS);
  }

  private boolean isClosing() {
    return closing.getCount() == 0;
  }

  /** Leaves the cluster, bounded. */
  @Override
  public void close() {
    closing.countDown();
    JoinStream current = stream;
    if (current != null) {
      current.leave();
    }
    try {
      if (!thread.join(Duration.ofSeconds(3))) {
        thread.interrupt();
      }
    } catch (InterruptedException e) {
      thread.interrupt();
      Thread.currentThread().interrupt();
    }
  }
}
