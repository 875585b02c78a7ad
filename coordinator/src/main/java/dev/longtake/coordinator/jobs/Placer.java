package dev.longtake.coordinator.jobs;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.coordinator.fleet.Fleet;
import dev.longtake.coordinator.fleet.Gang;
import dev.longtake.coordinator.fleet.Member;
import dev.longtake.coordinator.planner.PlanChoice;
import dev.longtake.coordinator.planner.Workload;
import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.ModelCard;
import dev.longtake.v1.Plan;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Collectors;

/**
 * Finds workers for a job: idle ones first, else those of a gang that has room for another job with the same plan.
 *
 * <p>For the scheduler's thread alone.
 */
final class Placer {
  private final Fleet fleet;
  private final Planning planning;
  private final boolean mixedDevices;
  private final List<Placement> running = new ArrayList<>();

  /** @param mixedDevices whether a job may go on with another kind of device than it began with */
  Placer(Fleet fleet, Planning planning, boolean mixedDevices) {
    this.fleet = fleet;
    this.planning = planning;
    this.mixedDevices = mixedDevices;
  }

  /**
   * Reserves workers for a job.
   *
   * @param waitingJobs behind this one
   * @return empty when the job must wait for workers that are busy, in doubt or to come
   * @throws LongtakeException OUT_OF_MEMORY or INVALID_REQUEST when all workers together can't do it, MODEL_MISMATCH when they
   *     have another model
   */
  Optional<Placement> place(JobEntry entry, int waitingJobs) {
    running.removeIf(placement -> placement.gang().isClosed());
    List<Member> all = fleet.usable();
    if (all.isEmpty()) {
      return Optional.empty();
    }
    requireModel(entry.card(), all.getFirst());
    all = ofItsDevice(entry, all);
    Workload workload = workload(entry);
    List<Member> idle = all.stream().filter(fleet.idle()::contains).toList();
    Optional<Placement> placed = onIdle(entry, workload, idle, all, waitingJobs);
    if (placed.isEmpty()) {
      placed = shared(entry, workload, all);
    }
    if (placed.isEmpty() && idle.size() < all.size()) {
      // Waiting helps only where all workers together could do it.
      choose(entry, workload, all, waitingJobs);
    }
    placed.ifPresent(running::add);
    return placed;
  }

  /**
   * Those that compute the same bits as what is kept of the job.
   *
   * @throws LongtakeException INVALID_REQUEST when there is none
   */
  private List<Member> ofItsDevice(JobEntry entry, List<Member> members) {
    String device = entry.device();
    if (mixedDevices || device.isEmpty() || !entry.hasResults()) {
      return members;
    }
    List<Member> alike =
        members.stream().filter(member -> member.description().getDevice().equals(device)).toList();
    if (alike.isEmpty()) {
      throw LongtakeException.invalidField(
          "device",
          "Expected a worker with '%s', which computed what is kept of the job, but there is none; start one, or the coordinator with --mixed-devices to go on with other bits"
              .formatted(device));
    }
    return alike;
  }

  private Optional<Placement> onIdle(
      JobEntry entry, Workload workload, List<Member> idle, List<Member> all, int waitingJobs) {
    if (idle.isEmpty()) {
      return Optional.empty();
    }
    PlanChoice choice;
    try {
      choice = choose(entry, workload, idle, waitingJobs);
    } catch (LongtakeException e) {
      if (idle.size() == all.size() || !isRefusal(e)) {
        throw e;
      }
      return Optional.empty();
    }
    Map<String, Member> byId =
        idle.stream().collect(Collectors.toMap(Member::id, Function.identity()));
    List<Member> ranks = choice.workerIds().stream().map(byId::get).toList();
    // Empty when one of them has just left: the fleet has changed, so the job is placed again at
    // once.
    return fleet.reserve(entry.id(), ranks).map(gang -> placement(entry, gang, choice.plan()));
  }

  private static boolean isRefusal(LongtakeException e) {
    return e.code() == ErrorCode.OUT_OF_MEMORY || e.code() == ErrorCode.INVALID_REQUEST;
  }

  private PlanChoice choose(
      JobEntry entry, Workload workload, List<Member> members, int waitingJobs) {
    GenerationRequest request = entry.request();
    var cluster = PlanningInputs.cluster(members, fleet.links(), request.getPrecision());
    return request.hasPlan()
        ? planning.forced(request.getPlan(), workload, cluster)
        : planning.plan(workload, cluster, waitingJobs);
  }

  /** Joins a gang that works on jobs of the same kind and is not full. */
  private Optional<Placement> shared(JobEntry entry, Workload workload, List<Member> all) {
    GenerationRequest request = entry.request();
    for (Placement other : running) {
      boolean fits =
          other.jobsInFlight() > 1
              && all.containsAll(other.gang().members())
              && other.modelFingerprint().equals(entry.card().getFingerprint())
              && other.precision() == request.getPrecision()
              && other.wireFormat() == request.getWireFormat()
              && (!request.hasPlan() || Placement.divideAlike(request.getPlan(), other.plan()));
      if (!fits) {
        continue;
      }
      Optional<Plan> plan = sharedPlan(other, workload);
      if (plan.isPresent()) {
        int limit =
            Math.min(
                other.jobsInFlight(), Math.max(1, plan.get().getPrediction().getJobsInFlight()));
        Optional<Gang> gang = fleet.share(entry.id(), other.gang(), limit);
        if (gang.isPresent()) {
          return Optional.of(placement(entry, gang.get(), plan.get()));
        }
      }
    }
    return Optional.empty();
  }

  /** The other job's plan for this one, on the same workers in the same places; empty when it doesn't fit. */
  private Optional<Plan> sharedPlan(Placement other, Workload workload) {
    var cluster = PlanningInputs.cluster(other.gang().members(), fleet.links(), other.precision());
    try {
      Plan plan = planning.forced(Placement.shape(other.plan()), workload, cluster).plan();
      return Optional.of(
          plan.toBuilder()
              .setReason("joins another job on the same workers, whose stages it keeps busy")
              .build());
    } catch (LongtakeException e) {
      if (isRefusal(e)) {
        return Optional.empty();
      }
      throw e;
    }
  }

  private static Placement placement(JobEntry entry, Gang gang, Plan plan) {
    GenerationRequest request = entry.request();
    return new Placement(
        gang, plan, entry.card().getFingerprint(), request.getPrecision(), request.getWireFormat());
  }

  private static Workload workload(JobEntry entry) {
    return PlanningInputs.workload(entry.request(), entry.card(), entry.textTokens());
  }

  /** All workers may have left and others joined since the job was accepted. */
  private static void requireModel(ModelCard card, Member member) {
    ModelCard now = member.description().getModel();
    if (!now.getFingerprint().equals(card.getFingerprint())) {
      throw new LongtakeException(
          ErrorCode.MODEL_MISMATCH,
          "Expected workers with the model %s that the job was submitted for, but they now have %s; submit it again"
              .formatted(card.getName(), now.getName()));
    }
  }
}
