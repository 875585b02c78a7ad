package dev.longtake.coordinator.jobs;

import static java.util.stream.Collectors.joining;

import com.google.protobuf.util.Durations;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.coordinator.planner.ClusterView;
import dev.longtake.coordinator.planner.DeviceKinds;
import dev.longtake.coordinator.planner.PlanChoice;
import dev.longtake.coordinator.planner.WorkerView;
import dev.longtake.coordinator.planner.Workload;
import dev.longtake.v1.Plan;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/** Plans for workers of one kind of device alone: of the plans for each kind the one with the shortest step. Thread-safe as the other. */
final class UniformPlanning implements Planning {
  private final Planning ofKind;

  /** @param ofKind plans for the workers of one kind */
  UniformPlanning(Planning ofKind) {
    this.ofKind = ofKind;
  }

  @Override
  public PlanChoice plan(Workload workload, ClusterView cluster, int waitingJobs) {
    return best(cluster, kind -> ofKind.plan(workload, kind, waitingJobs));
  }

  @Override
  public PlanChoice forced(Plan plan, Workload workload, ClusterView cluster) {
    return best(cluster, kind -> ofKind.forced(plan, workload, kind));
  }

  @Override
  public int mostFrames(Workload workload, ClusterView cluster) {
    return DeviceKinds.of(cluster).values().stream()
        .mapToInt(kind -> ofKind.mostFrames(workload, kind))
        .max()
        .orElse(0);
  }

  private static PlanChoice best(ClusterView cluster, Function<ClusterView, PlanChoice> planner) {
    Map<String, ClusterView> kinds = DeviceKinds.of(cluster);
    if (kinds.size() == 1) {
      return planner.apply(cluster);
    }
    List<PlanChoice> choices = new ArrayList<>();
    List<LongtakeException> refusals = new ArrayList<>();
    for (ClusterView kind : kinds.values()) {
      try {
        choices.add(planner.apply(kind));
      } catch (LongtakeException e) {
        if (e.code() != ErrorCode.OUT_OF_MEMORY && e.code() != ErrorCode.INVALID_REQUEST) {
          throw e;
        }
        refusals.add(e);
      }
    }
    return choices.stream()
        .min(Comparator.comparingDouble(UniformPlanning::stepSeconds))
        .orElseThrow(() -> refused(kinds, refusals));
  }

  private static double stepSeconds(PlanChoice choice) {
    return Durations.toSecondsAsDouble(choice.plan().getPrediction().getStep());
  }

  private static LongtakeException refused(
      Map<String, ClusterView> kinds, List<LongtakeException> refusals) {
    boolean isMemory = refusals.stream().anyMatch(e -> e.code() == ErrorCode.OUT_OF_MEMORY);
    // In the same order, as every kind has refused.
    Iterator<LongtakeException> why = refusals.iterator();
    String reasons =
        kinds.entrySet().stream()
            .map(kind ->
                "with %s alone (%s): %s"
                    .formatted(kind.getKey(), ids(kind.getValue()), why.next().getMessage()))
            .collect(joining("; "));
    String message =
        "Expected a plan on workers with one kind of device, but there is none; %s; start the coordinator with --mixed-devices to let them work together"
            .formatted(reasons);
    return isMemory
        ? new LongtakeException(ErrorCode.OUT_OF_MEMORY, message)
        : LongtakeException.invalidField("plan", message);
  }

  private static String ids(ClusterView kind) {
    return kind.workers().stream().map(WorkerView::id).collect(joining(", "));
  }
}
