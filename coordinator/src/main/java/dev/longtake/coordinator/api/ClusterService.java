package dev.longtake.coordinator.api;

import com.google.protobuf.util.Durations;
import com.google.protobuf.util.Timestamps;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.rpc.Bearer;
import dev.longtake.coordinator.fleet.Departure;
import dev.longtake.coordinator.fleet.Fleet;
import dev.longtake.coordinator.fleet.Member;
import dev.longtake.coordinator.jobs.JobCounts;
import dev.longtake.coordinator.jobs.Planning;
import dev.longtake.coordinator.jobs.PlanningInputs;
import dev.longtake.coordinator.planner.ClusterView;
import dev.longtake.coordinator.planner.PlanChoice;
import dev.longtake.coordinator.planner.Workload;
import dev.longtake.v1.CacheStatus;
import dev.longtake.v1.ClusterGrpc;
import dev.longtake.v1.ClusterStatus;
import dev.longtake.v1.DrainRequest;
import dev.longtake.v1.ExplainRequest;
import dev.longtake.v1.ExplainResponse;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.JoinReply;
import dev.longtake.v1.ModelCard;
import dev.longtake.v1.ModelRequest;
import dev.longtake.v1.StatusRequest;
import dev.longtake.v1.WorkerReport;
import dev.longtake.v1.WorkerStatus;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import java.time.InstantSource;
import java.util.List;
import java.util.function.Supplier;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/** The Cluster service: a worker's membership is the lifetime of its Join stream. */
public final class ClusterService extends ClusterGrpc.ClusterImplBase {
  private static final int DEFAULT_CANDIDATES = 20;

  private final Fleet fleet;
  private final Supplier<JobCounts> jobs;
  private final Supplier<CacheStatus> embeddings;
  private final Planning planning;
  private final RequestValidator validator;
  private final String version;
  private final String build;
  private final InstantSource clock;

  /**
   * @param jobs asked for each status
   * @param embeddings asked for each status
   * @param planning explains
   * @param seeds for explained requests without one
   * @param version of the coordinator
   * @param build of the coordinator
   */
  public ClusterService(
      Fleet fleet,
      Supplier<JobCounts> jobs,
      Supplier<CacheStatus> embeddings,
      Planning planning,
      RandomGenerator seeds,
      String version,
      String build,
      InstantSource clock) {
    this.fleet = fleet;
    this.jobs = jobs;
    this.embeddings = embeddings;
    this.planning = planning;
    this.validator = new RequestValidator(seeds);
    this.version = version;
    this.build = build;
    this.clock = clock;
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
            .setBuild(build)
            .setTime(Timestamps.fromMillis(clock.millis()))
            .addAllWorkers(fleet.statuses())
            .setQueuedJobs(counts.queued())
            .setRunningJobs(counts.running())
            .addAllLinks(fleet.links().all())
            .setEmbeddingCache(embeddings.get());
    fleet.model().ifPresent(status::setModel);
    response.onNext(status.build());
    response.onCompleted();
  }

  @Override
  public void model(ModelRequest request, StreamObserver<ModelCard> response) {
    ModelCard card = fleet.model().orElseThrow(PromptEncoder::noWorkers);
    response.onNext(card.toBuilder().clearProfile().build());
    response.onCompleted();
  }

  @Override
  public void explain(ExplainRequest request, StreamObserver<ExplainResponse> response) {
    int limit = request.getLimit() == 0 ? DEFAULT_CANDIDATES : request.getLimit();
    if (limit < 1) {
      throw LongtakeException.invalidField(
          "limit",
          "Expected a limit of at least 1, or 0 for %d, but got %d"
              .formatted(DEFAULT_CANDIDATES, limit));
    }
    ModelCard card = fleet.model().orElseThrow(ClusterService::noModel);
    List<Member> members = fleet.membersById();
    if (members.isEmpty()) {
      throw noModel();
    }
    GenerationRequest complete = validator.completeWithoutPrompt(request.getRequest(), card);
    Workload workload = PlanningInputs.workload(complete, card, card.getMaxTextTokens());
    ClusterView cluster = PlanningInputs.cluster(members, fleet.links(), complete.getPrecision());
    PlanChoice choice;
    if (complete.hasPlan()) {
      RequestedPlans.requireWorkers(complete.getPlan(), card.getProfile(), members.size());
      choice = planning.forced(complete.getPlan(), workload, cluster);
    } else {
      choice = planning.plan(workload, cluster, 0);
    }
    response.onNext(
        ExplainResponse.newBuilder()
            .addAllCandidates(choice.candidates().stream().limit(limit).toList())
            .setConsidered(choice.considered())
            .setTextTokens(workload.textTokens())
            .setRows(workload.rows())
            .setMaxLatentFrames(planning.mostFrames(workload, cluster))
            .build());
    response.onCompleted();
  }

  @Override
  public void drain(DrainRequest request, StreamObserver<WorkerStatus> response) {
    response.onNext(fleet.drain(request.getWorkerId()));
    response.onCompleted();
  }

  private static LongtakeException noModel() {
    return new LongtakeException(
        ErrorCode.WRONG_STATE,
        "Expected a cluster with a model, but no worker has joined; start one with 'longtake worker"
            + " --coordinator HOST:PORT --model DIR'");
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
        fleet.heartbeat(member, report.getLeaving(), report.getFault());
        if (report.hasConditionCache()) {
          member.reported(report.getConditionCache());
        }
        if (report.hasMemory()) {
          member.reported(report.getMemory());
        }
        return;
      }
      try {
        if (!report.hasDescription()) {
          throw LongtakeException.invalidField(
              "description",
              "Expected the worker's description in its first report, but there is none");
        }
        member =
            fleet.join(report.getDescription(), callToken(report), this::end, this::tellToLeave);
        reply(
            JoinReply.newBuilder()
                .setHeartbeatInterval(Durations.fromNanos(fleet.heartbeatInterval().toNanos()))
                .build());
      } catch (LongtakeException e) {
        end(e);
      }
    }

    private static String callToken(WorkerReport report) {
      String token = report.getCallToken();
      return token.isEmpty() ? token : Bearer.require(token, "call_token");
    }

    @Override
    public void onError(Throwable failure) {
      synchronized (this) {
        ended = true;
      }
      leave(
          Departure.LOST, "its connection broke (" + Status.fromThrowable(failure).getCode() + ")");
    }

    @Override
    public void onCompleted() {
      leave(Departure.LEFT, "it ended its membership");
      synchronized (this) {
        if (!ended) {
          ended = true;
          replies.onCompleted();
        }
      }
    }

    private void leave(Departure departure, String reason) {
      if (member != null) {
        fleet.leave(member, departure, reason);
      }
    }

    private void tellToLeave() {
      reply(JoinReply.newBuilder().setLeave(true).build());
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
