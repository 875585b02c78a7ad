package dev.longtake.coordinator;

import dev.longtake.coordinator.fleet.Departure;
import dev.longtake.coordinator.fleet.Fleet;
import dev.longtake.coordinator.fleet.FleetListener;
import dev.longtake.coordinator.fleet.Member;
import dev.longtake.coordinator.jobs.JobStore;
import dev.longtake.coordinator.video.EncoderCheck;
import dev.longtake.v1.ClusterGrpc;
import dev.longtake.v1.GenerationGrpc;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.protobuf.services.HealthStatusManager;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What the coordinator says of itself: nothing serves while it does not lead; else Cluster does, and Generation serves while there is a
 * worker that may get work, jobs reach the disk, and the encoder works. Workers check themselves from end to end and say so with their
 * heartbeats.
 */
final class Health implements FleetListener, AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(Health.class);

  private static final Duration STORE_CHECK = Duration.ofMillis(500);

  private final Fleet fleet;
  private final JobStore jobs;
  private final HealthStatusManager statuses;
  private final ScheduledFuture<?> check;
  private boolean isClosed; // guarded by this
  private boolean canEncode = true; // guarded by this

  private Health(
      Fleet fleet, JobStore jobs, HealthStatusManager statuses, ScheduledExecutorService timer) {
    this.fleet = fleet;
    this.jobs = jobs;
    this.statuses = statuses;
    this.check =
        timer.scheduleAtFixedRate(
            this::update, STORE_CHECK.toMillis(), STORE_CHECK.toMillis(), TimeUnit.MILLISECONDS);
  }

  /** What a coordinator says that does not lead. */
  static void notLeading(HealthStatusManager statuses) {
    for (String service :
        List.of(
            HealthStatusManager.SERVICE_NAME_ALL_SERVICES,
            ClusterGrpc.SERVICE_NAME,
            GenerationGrpc.SERVICE_NAME)) {
      statuses.setStatus(service, ServingStatus.NOT_SERVING);
    }
  }

  /**
   * Keeps the statuses true until it is closed.
   *
   * @param timer the caller's
   */
  static Health watch(
      Fleet fleet, JobStore jobs, HealthStatusManager statuses, ScheduledExecutorService timer) {
    statuses.setStatus(HealthStatusManager.SERVICE_NAME_ALL_SERVICES, ServingStatus.SERVING);
    statuses.setStatus(ClusterGrpc.SERVICE_NAME, ServingStatus.SERVING);
    Health health = new Health(fleet, jobs, statuses, timer);
    health.update();
    fleet.addListener(health);
    return health;
  }

  /**
   * Encodes a small picture, as jobs will their frames; where that fails no video can be made here.
   *
   * @param folder for temporary files
   */
  void checkEncoder(Path folder) {
    boolean works = true;
    try {
      EncoderCheck.run(folder);
    } catch (RuntimeException | LinkageError e) {
      log.error("Videos can't be encoded, so Generation does not serve: {}", e.toString());
      works = false;
    }
    synchronized (this) {
      canEncode = works;
      update();
    }
  }

  @Override
  public void joined(Member member) {
    update();
  }

  @Override
  public void left(Member member, Departure departure, String reason) {
    update();
  }

  @Override
  public void usabilityChanged() {
    update();
  }

  /** One at a time, so that the last one sees the last state. */
  private synchronized void update() {
    if (isClosed) {
      return;
    }
    boolean serves = canEncode && !fleet.usable().isEmpty() && jobs.isStoring();
    statuses.setStatus(
        GenerationGrpc.SERVICE_NAME, serves ? ServingStatus.SERVING : ServingStatus.NOT_SERVING);
  }

  @Override
  public void close() {
    check.cancel(/* mayInterruptIfRunning= */ false);
    synchronized (this) {
      isClosed = true;
      notLeading(statuses);
    }
  }
}
