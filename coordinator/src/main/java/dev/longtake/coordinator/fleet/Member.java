package dev.longtake.coordinator.fleet;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.rpc.Bearer;
import dev.longtake.v1.BlockTimes;
import dev.longtake.v1.CacheStatus;
import dev.longtake.v1.MemoryUse;
import dev.longtake.v1.Precision;
import dev.longtake.v1.WorkerDescription;
import io.grpc.Channel;
import io.grpc.ClientInterceptor;
import io.grpc.ClientInterceptors;
import io.grpc.ManagedChannel;
import java.util.EnumMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** A worker that has joined. The fleet owns it and its channel; the mutable part is guarded by the fleet's lock. */
public final class Member {
  private final WorkerDescription description;
  private final String callToken;
  private final ManagedChannel channel;
  private final Channel calls;
  private final Consumer<LongtakeException> onRemoved;
  private final Runnable onLeave;

  long lastHeartbeatNanos;

  /** It gets no new work, and is told to leave when it has none. */
  boolean draining;

  /** Why it can't compute; empty: it can. */
  String fault = "";

  /** Jobs and measurements that it works on, in order of their starts. */
  final Set<String> jobIds = new LinkedHashSet<>();

  /** Heartbeats that must come before it is trusted with a job again; 0 for a healthy worker. */
  int doubts;

  private volatile @Nullable String lossReason;
  private volatile @Nullable CacheStatus conditionCache;
  private volatile @Nullable MemoryUse memory;
  private volatile Map<Precision, BlockTimes> times = Map.of();

  Member(
      WorkerDescription description,
      String callToken,
      ManagedChannel channel,
      ClientInterceptor tracing,
      Consumer<LongtakeException> onRemoved,
      Runnable onLeave,
      long nowNanos) {
    this.description = description;
    this.callToken = callToken;
    this.channel = channel;
    this.calls = Bearer.with(callToken, ClientInterceptors.intercept(channel, tracing));
    this.onRemoved = onRemoved;
    this.onLeave = onLeave;
    this.lastHeartbeatNanos = nowNanos;
  }

  /** Unique in the cluster. */
  public String id() {
    return description.getId();
  }

  /** host:port. */
  public String address() {
    return description.getAddress();
  }

  /** The same for all workers of one host: what they say, or else the host of the address. */
  public String host() {
    return description.getHost().isEmpty()
        ? address().substring(0, address().lastIndexOf(':'))
        : description.getHost();
  }

  public WorkerDescription description() {
    return description;
  }

  /** Orders that it takes at once, at least 1. */
  public int maxOrders() {
    return Math.max(1, description.getMaxOrders());
  }

  /** For calls to this worker; calls under way fail when it leaves. Never shut down by callers. */
  public Channel channel() {
    return calls;
  }

  /** What calls to this worker must show, for those that get work with it; empty: nothing. */
  public String callToken() {
    return callToken;
  }

  /** Why the worker left the cluster; empty while it is in. Any thread. */
  public Optional<String> lossReason() {
    return Optional.ofNullable(lossReason);
  }

  /** What was measured in this precision. Any thread. */
  public Optional<BlockTimes> times(Precision precision) {
    return Optional.ofNullable(times.get(precision));
  }

  /** What its cache of prepared texts did, as of the last heartbeat that said so. Any thread. */
  public Optional<CacheStatus> conditionCache() {
    return Optional.ofNullable(conditionCache);
  }

  /** A heartbeat said this. Any thread. */
  public void reported(CacheStatus status) {
    conditionCache = status;
  }

  /** Its device's memory, as of the last heartbeat that said so. Any thread. */
  public Optional<MemoryUse> memory() {
    return Optional.ofNullable(memory);
  }

  /** A heartbeat said this. Any thread. */
  public void reported(MemoryUse use) {
    memory = use;
  }

  /** Replaces what was measured before in this precision. Any thread. */
  public synchronized void measured(Precision precision, BlockTimes measured) {
    Map<Precision, BlockTimes> changed = new EnumMap<>(Precision.class);
    changed.putAll(times);
    changed.put(precision, measured);
    times = changed;
  }

  /** For errors: {@code "worker w1 at 127.0.0.1:7401"}. */
  @Override
  public String toString() {
    return "worker " + id() + " at " + address();
  }

  boolean isReservable() {
    return jobIds.isEmpty() && isUsable() && doubts == 0;
  }

  /** Whether it may get work, now or when it is done with what it has. */
  boolean isUsable() {
    return !draining && fault.isEmpty();
  }

  /** Marks the loss and closes the channel, so that calls under way fail now. */
  void lose(String reason) {
    lossReason = reason;
    channel.shutdownNow();
  }

  void tellToLeave() {
    onLeave.run();
  }

  void tellRemoved(LongtakeException why) {
    onRemoved.accept(why);
  }
}
