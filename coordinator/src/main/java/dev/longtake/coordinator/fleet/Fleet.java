package dev.longtake.coordinator.fleet;

import com.google.protobuf.util.Durations;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.error.Quoted;
import dev.longtake.common.rpc.Endpoints;
import dev.longtake.common.tls.TlsIdentity;
import dev.longtake.v1.ModelCard;
import dev.longtake.v1.Precision;
import dev.longtake.v1.WorkerDescription;
import dev.longtake.v1.WorkerStatus;
import io.grpc.ClientInterceptor;
import io.grpc.ManagedChannel;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The workers of the cluster, their reservation for jobs, and the one model they serve: that of the first worker, forgotten when
 * the last one leaves.
 *
 * <p>A worker is removed at once when its stream ends, and after three missed heartbeats; either closes its channel, so
 * calls under way fail without waiting for TCP. A worker whose connection broke during a job is not reserved again
 * until its heartbeats show that it lives.
 *
 * <p>Thread-safe. Listeners and removal call-backs run outside the lock.
 */
public final class Fleet implements AutoCloseable {
  /** A worker that stays silent for this many heartbeat intervals is removed. */
  public static final int MISSED_HEARTBEATS = 3;

  /** Heartbeats after a broken connection: one may have been under way when the worker died, two not. */
  private static final int DOUBT_HEARTBEATS = 2;

  private static final Logger log = LoggerFactory.getLogger(Fleet.class);

  private final String build;
  private final @Nullable TlsIdentity tls;
  private final ClientInterceptor tracing;
  private final Duration heartbeatInterval;
  private final LongSupplier nanoTime;
  private final ScheduledFuture<?> check;
  private final List<FleetListener> listeners = new CopyOnWriteArrayList<>();

  private final ReentrantLock lock = new ReentrantLock();
  private final Condition change = lock.newCondition();
  private final TreeMap<String, Member> members = new TreeMap<>();
  private final LinkTable links = new LinkTable();
  private @Nullable ModelCard model;
  private long version;
  private boolean closed;

  /**
   * @param build version of this program, which workers must have too
   * @param tls for connections to workers; null for plain text
   * @param tracing sees calls to workers
   * @param nanoTime a monotonic clock, as {@link System#nanoTime}
   * @param timer runs the heartbeat check; the caller's, not shut down here
   */
  public Fleet(
      String build,
      @Nullable TlsIdentity tls,
      ClientInterceptor tracing,
      Duration heartbeatInterval,
      LongSupplier nanoTime,
      ScheduledExecutorService timer) {
    this.build = build;
    this.tls = tls;
    this.tracing = tracing;
    this.heartbeatInterval = heartbeatInterval;
    this.nanoTime = nanoTime;
    long periodNanos = heartbeatInterval.toNanos();
    this.check =
        timer.scheduleAtFixedRate(
            this::removeSilent, periodNanos, periodNanos, TimeUnit.NANOSECONDS);
  }

  public Duration heartbeatInterval() {
    return heartbeatInterval;
  }

  /** Adds a listener for changes from now on. */
  public void addListener(FleetListener listener) {
    listeners.add(listener);
  }

  /**
   * Admits a worker, after calling it back at its address (blocks for up to five seconds).
   *
   * @param callToken what calls to it must show; empty: nothing
   * @param onRemoved told when the fleet, not the caller, ends the membership
   * @param onLeave told when the worker has been drained, so that it may leave
   * @throws LongtakeException INVALID_REQUEST, BUILD_MISMATCH, MODEL_MISMATCH or WORKER_ID_IN_USE
   */
  public Member join(
      WorkerDescription worker,
      String callToken,
      Consumer<LongtakeException> onRemoved,
      Runnable onLeave) {
    Admission.requireComplete(worker);
    Admission.requireBuild(worker, build);
    lock.lock();
    try {
      requireFits(worker);
    } finally {
      lock.unlock();
    }
    ManagedChannel channel = Endpoints.connect(worker.getAddress(), tls);
    Member member =
        new Member(worker, callToken, channel, tracing, onRemoved, onLeave, nanoTime.getAsLong());
    boolean joined = false;
    try {
      Admission.requireReachable(worker, member.channel());
      lock.lock();
      try {
        // Again: another worker may have joined during the call.
        requireFits(worker);
        member.lastHeartbeatNanos = nanoTime.getAsLong();
        members.put(worker.getId(), member);
        model = worker.getModel();
        changed();
        joined = true;
      } finally {
        lock.unlock();
      }
    } finally {
      if (!joined) {
        channel.shutdownNow();
      }
    }
    log.info("Joined: {} with {}", member, Admission.name(worker.getModel()));
    listeners.forEach(listener -> listener.joined(member));
    return member;
  }

  private void requireFits(WorkerDescription worker) {
    if (closed) {
      throw shutdown();
    }
    if (model != null && !model.getFingerprint().equals(worker.getModel().getFingerprint())) {
      throw Admission.mismatch(model, worker);
    }
    Member same = members.get(worker.getId());
    if (same != null) {
      throw new LongtakeException(
          ErrorCode.WORKER_ID_IN_USE,
          "Expected a worker id that is free, but %s has joined with id '%s'; choose another with --id"
              .formatted(same, worker.getId()));
    }
  }

  /**
   * A heartbeat has come.
   *
   * @param leaving the worker wants to leave
   * @param fault why it can't compute; empty: it can
   */
  public void heartbeat(Member member, boolean leaving, String fault) {
    boolean trusted = false;
    boolean faultChanged = false;
    lock.lock();
    try {
      member.lastHeartbeatNanos = nanoTime.getAsLong();
      faultChanged = !member.fault.equals(fault);
      if (faultChanged) {
        member.fault = fault;
        changed();
      }
      if (member.doubts > 0) {
        member.doubts--;
        trusted = member.doubts == 0;
        changed();
      }
    } finally {
      lock.unlock();
    }
    if (faultChanged) {
      log.warn("{} {}", member, fault.isEmpty() ? "can compute again" : "can't compute: " + fault);
      listeners.forEach(FleetListener::usabilityChanged);
    }
    if (trusted || (faultChanged && fault.isEmpty())) {
      listeners.forEach(FleetListener::freed);
    }
    if (leaving) {
      drain(member);
    }
  }

  /**
   * Gives a worker no new work, and tells it to leave when it has none.
   *
   * @return the worker as it is then
   * @throws LongtakeException NO_SUCH_WORKER
   */
  public WorkerStatus drain(String workerId) {
    Member member;
    lock.lock();
    try {
      member = members.get(workerId);
    } finally {
      lock.unlock();
    }
    if (member == null) {
      throw new LongtakeException(
          ErrorCode.NO_SUCH_WORKER,
          "Expected the id of a worker in the cluster, but %s is none; see 'longtake status'"
              .formatted(Quoted.of(workerId)));
    }
    drain(member);
    lock.lock();
    try {
      return status(member, nanoTime.getAsLong());
    } finally {
      lock.unlock();
    }
  }

  private void drain(Member member) {
    boolean idle;
    lock.lock();
    try {
      if (member.draining) {
        return;
      }
      member.draining = true;
      idle = member.jobIds.isEmpty();
      changed();
    } finally {
      lock.unlock();
    }
    log.info("Drains: {}", member);
    listeners.forEach(FleetListener::usabilityChanged);
    if (idle) {
      member.tellToLeave();
    }
  }

  /** The worker's stream has ended. No effect when it was removed before. */
  public void leave(Member member, Departure departure, String reason) {
    remove(member, departure, reason);
  }

  /** A call to the worker broke; it gets no job until its heartbeats show that it lives. */
  public void doubt(Member member) {
    lock.lock();
    try {
      member.doubts = DOUBT_HEARTBEATS;
    } finally {
      lock.unlock();
    }
  }

  private boolean remove(Member member, Departure departure, String reason) {
    lock.lock();
    try {
      if (!members.remove(member.id(), member)) {
        return false;
      }
      if (members.isEmpty()) {
        model = null;
      }
      changed();
    } finally {
      lock.unlock();
    }
    member.lose(reason);
    links.forget(member.id());
    log.info("Left: {}: {}", member, reason);
    listeners.forEach(listener -> listener.left(member, departure, reason));
    return true;
  }

  private void removeSilent() {
    long limitNanos = heartbeatInterval.toNanos() * MISSED_HEARTBEATS;
    List<Member> silent = new ArrayList<>();
    lock.lock();
    try {
      long now = nanoTime.getAsLong();
      members.values().stream()
          .filter(member -> now - member.lastHeartbeatNanos > limitNanos)
          .forEach(silent::add);
    } finally {
      lock.unlock();
    }
    for (Member member : silent) {
      if (remove(member, Departure.LOST, "it missed %d heartbeats".formatted(MISSED_HEARTBEATS))) {
        member.tellRemoved(
            new LongtakeException(
                ErrorCode.TIMED_OUT,
                "Expected a heartbeat of worker %s every %d ms, but missed %d; join again"
                    .formatted(member.id(), heartbeatInterval.toMillis(), MISSED_HEARTBEATS)));
      }
    }
  }

  /** The cluster's model; empty until a worker has joined. */
  public Optional<ModelCard> model() {
    lock.lock();
    try {
      return Optional.ofNullable(model);
    } finally {
      lock.unlock();
    }
  }

  /** Members, idle ones first, then by id. */
  public List<Member> members() {
    lock.lock();
    try {
      List<Member> ordered = new ArrayList<>();
      members.values().stream().filter(Member::isReservable).forEach(ordered::add);
      members.values().stream().filter(member -> !member.isReservable()).forEach(ordered::add);
      return ordered;
    } finally {
      lock.unlock();
    }
  }

  /** Members that may get work, now or when they are done with what they have, by id. */
  public List<Member> usable() {
    lock.lock();
    try {
      return members.values().stream().filter(Member::isUsable).toList();
    } finally {
      lock.unlock();
    }
  }

  /** Members that a job can have, by id. */
  public List<Member> idle() {
    lock.lock();
    try {
      return members.values().stream().filter(Member::isReservable).toList();
    } finally {
      lock.unlock();
    }
  }

  /** What was measured between workers. */
  public LinkTable links() {
    return links;
  }

  /** All members, busy or not, by id. */
  public List<Member> membersById() {
    lock.lock();
    try {
      return List.copyOf(members.values());
    } finally {
      lock.unlock();
    }
  }

  /** For {@code Cluster.Status}, by id. */
  public List<WorkerStatus> statuses() {
    lock.lock();
    try {
      long now = nanoTime.getAsLong();
      return members.values().stream().map(member -> status(member, now)).toList();
    } finally {
      lock.unlock();
    }
  }

  private static WorkerStatus status(Member member, long nowNanos) {
    WorkerStatus.Builder status =
        WorkerStatus.newBuilder()
            .setDescription(member.description())
            .setJobId(member.jobIds.stream().findFirst().orElse(""))
            .addAllJobIds(member.jobIds)
            .setDraining(member.draining)
            .setFault(member.fault)
            .setSinceLastHeartbeat(Durations.fromNanos(nowNanos - member.lastHeartbeatNanos));
    member
        .times(Precision.PRECISION_F32)
        .or(() -> member.times(Precision.PRECISION_BF16))
        .ifPresent(status::setBlockTimes);
    member.conditionCache().ifPresent(status::setConditionCache);
    member.memory().ifPresent(status::setMemory);
    return status.build();
  }

  /** Grows with every change that may make a job possible that was not, or impossible. */
  public long version() {
    lock.lock();
    try {
      return version;
    } finally {
      lock.unlock();
    }
  }

  /** Waits until the version is another one than {@code seen}, at most {@code patience}. */
  public void awaitChange(long seen, Duration patience) throws InterruptedException {
    long remainingNanos = patience.toNanos();
    lock.lockInterruptibly();
    try {
      while (version == seen && remainingNanos > 0) {
        remainingNanos = change.awaitNanos(remainingNanos);
      }
    } finally {
      lock.unlock();
    }
  }

  /**
   * Reserves workers, all or none.
   *
   * @param ranks in order of their ranks
   * @return empty when one of them has left, is busy or in doubt
   */
  public Optional<Gang> reserve(String jobId, List<Member> ranks) {
    return reserve(jobId, ranks, () -> ranks.stream().allMatch(Member::isReservable));
  }

  /**
   * As {@link #reserve}, but only when no worker of the same hosts works on anything, which would disturb a measurement.
   *
   * @return empty when there is work on the hosts, or one of the workers has left or is in doubt
   */
  public Optional<Gang> reserveQuietly(String id, List<Member> ranks) {
    Set<String> hosts = ranks.stream().map(Member::host).collect(Collectors.toSet());
    return reserve(
        id,
        ranks,
        () ->
            ranks.stream().allMatch(Member::isReservable)
                && members.values().stream()
                    .noneMatch(
                        member -> !member.jobIds.isEmpty() && hosts.contains(member.host())));
  }

  /**
   * Gives the workers of a gang one more job.
   *
   * @param maxJobs that these workers may have at once, this one included
   * @return empty when the gang's own job has ended, a worker has left or is in doubt, or takes no more
   */
  public Optional<Gang> share(String jobId, Gang running, int maxJobs) {
    List<Member> ranks = running.members();
    Optional<Gang> shared =
        reserve(
            jobId,
            ranks,
            () ->
                !running.isClosed()
                    && ranks.stream()
                        .allMatch(member ->
                            member.doubts == 0
                                && member.isUsable()
                                && member.jobIds.size() < Math.min(maxJobs, member.maxOrders())));
    shared.ifPresent(gang -> {
      gang.markShared();
      running.markShared();
    });
    return shared;
  }

  private Optional<Gang> reserve(String jobId, List<Member> ranks, BooleanSupplier free) {
    lock.lock();
    try {
      boolean present = ranks.stream().allMatch(member -> members.get(member.id()) == member);
      if (!present || !free.getAsBoolean()) {
        return Optional.empty();
      }
      ranks.forEach(member -> member.jobIds.add(jobId));
      return Optional.of(new Gang(this, jobId, ranks));
    } finally {
      lock.unlock();
    }
  }

  void release(String jobId, List<Member> released) {
    List<Member> drained = new ArrayList<>();
    lock.lock();
    try {
      for (Member member : released) {
        boolean had = member.jobIds.remove(jobId);
        if (had && member.draining && member.jobIds.isEmpty()) {
          drained.add(member);
        }
      }
      changed();
    } finally {
      lock.unlock();
    }
    drained.forEach(Member::tellToLeave);
    listeners.forEach(FleetListener::freed);
  }

  /** Called with the lock. */
  private void changed() {
    version++;
    change.signalAll();
  }

  private static LongtakeException shutdown() {
    return new LongtakeException(
        ErrorCode.UNREACHABLE, "The coordinator is shutting down; join again when it is back");
  }

  /** Removes all workers, ending their streams with UNAVAILABLE; nobody can join any more. */
  @Override
  public void close() {
    List<Member> all;
    lock.lock();
    try {
      closed = true;
      all = List.copyOf(members.values());
    } finally {
      lock.unlock();
    }
    check.cancel(/* mayInterruptIfRunning= */ false);
    for (Member member : all) {
      if (remove(member, Departure.STOPPED, "the coordinator shut down")) {
        member.tellRemoved(shutdown());
      }
    }
  }
}
