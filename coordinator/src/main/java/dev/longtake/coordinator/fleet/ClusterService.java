package dev.longtake.coordinator.fleet;

import com.google.protobuf.util.Durations;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.v1.ClusterGrpc;
import dev.longtake.v1.ClusterStatus;
import dev.longtake.v1.JoinReply;
import dev.longtake.v1.StatusRequest;
import dev.longtake.v1.WorkerReport;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** The Cluster service: a worker's membership is the lifetime of its Join stream. */
public final class ClusterService extends ClusterGrpc.ClusterImplBase {
  private final Fleet fleet;
  private final Supplier<JobCounts> jobs;
  private final String version;

  /**
   * @param jobs asked for each status
   * @param version of the coordinator
   */
  public ClusterService(Fleet fleet, Supplier<JobCounts> jobs, String version) {
    this.fleet = fleet;
    this.jobs = jobs;
    this.version = version;
  }

  @Override
  public StreamObserver<WorkerReport> join(StreamObserver<JoinReply> replies) {
    return new JoinStream(replies);
  }

  @Override
  public void status(StatusRequest request, StreamObserver<ClusterStatus> response) {
    JobCounts counts = jobs.get();
    ClusterStatus.Builder status =
        ClusterStatus.newBuilder()
            .setVersion(version)
            .addAllWorkers(fleet.statuses())
            .setQueuedJobs(counts.queued())
            .setRunningJobs(counts.running());
    fleet.model().ifPresent(status::setModel);
    response.onNext(status.build());
    response.onCompleted();
  }

  /** One worker's stream. Reports come from gRPC in order; a removal may come from any thread. */
  private final class JoinStream implements StreamObserver<WorkerReport> {
    private final StreamObserver<JoinReply> replies; // guarded by this
    private boolean ended; // guarded by this
    private @Nullable Member member; // only touched by gRPC's calls

    JoinStream(StreamObserver<JoinReply> replies) {
      this.replies = replies;
    }

    @Override
    public void onNext(WorkerReport report) {
      if (isEnded()) {
        return;
      }
      if (member != null) {
        fleet.heartbeat(member);
        return;
      }
      try {
        if (!report.hasDescription()) {
          throw LongtakeException.invalidField(
              "description",
              "Expected the worker's description in its first report, but there is none");
        }
        member = fleet.join(report.getDescription(), this::end);
        reply(
            JoinReply.newBuilder()
                .setHeartbeatInterval(Durations.fromNanos(fleet.heartbeatInterval().toNanos()))
                .build());
      } catch (LongtakeException e) {
        end(e);
      }
    }

    @Override
    public void onError(Throwable failure) {
      synchronized (this) {
        ended = true;
      }
      leave("its connection broke (" + Status.fromThrowable(failure).getCode() + ")");
    }

    @Override
    public void onCompleted() {
      leave("it ended its membership");
      synchronized (this) {
        if (!ended) {
          ended = true;
          replies.onCompleted();
        }
      }
    }

    private void leave(String reason) {
      if (member != null) {
        fleet.leave(member, reason);
      }
    }

    private synchronized boolean isEnded() {
      return ended;
    }

    private synchronized void reply(JoinReply reply) {
      if (!ended) {
        replies.onNext(reply);
      }
    }

    private synchronized void end(LongtakeException why) {
      if (!ended) {
        ended = true;
        replies.onError(why);
      }
    }
  }
}
