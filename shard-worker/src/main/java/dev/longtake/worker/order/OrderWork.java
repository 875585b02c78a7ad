package dev.longtake.worker.order;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.partition.Range;
import dev.longtake.common.plan.ExecutionPlan;
import dev.longtake.v1.WorkEvent;
import dev.longtake.worker.device.Device;
import dev.longtake.worker.engine.ComputeTurn;
import dev.longtake.worker.engine.GangExchange;
import dev.longtake.worker.engine.exec.Condition;
import dev.longtake.worker.engine.exec.Geometry;
import dev.longtake.worker.engine.exec.PreparedTexts;
import dev.longtake.worker.engine.exec.Tap;
import dev.longtake.worker.engine.exec.Weights;
import dev.longtake.worker.engine.gang.RankShare;
import dev.longtake.worker.engine.gang.RankWork;
import dev.longtake.worker.engine.model.ModelDescription;
import dev.longtake.worker.engine.program.Program;
import dev.longtake.worker.engine.trace.RankTrace;
import java.util.Collection;
import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * What carrying out any order needs. Owns nothing.
 *
 * @param plan of the order
 * @param texts where prepared texts come from
 * @param events takes events of several threads at once
 */
record OrderWork(
    Device device,
    Program program,
    Weights weights,
    ExecutionPlan plan,
    PreparedTexts texts,
    ComputeTurn turn,
    GangExchange exchange,
    RankTrace trace,
    Consumer<WorkEvent> events,
    BooleanSupplier canceled) {
  ModelDescription model() {
    return program.model();
  }

  /**
   * This rank's part.
   *
   * @throws LongtakeException INVALID_REQUEST when there are fewer rows than branch groups
   */
  RankWork rank(Geometry geometry, Condition condition) {
    OrderGeometry.require(
        plan.branchGroups() <= geometry.branches(),
        "plan.branch_groups",
        "Expected at most as many branch groups as the batch has rows, %d, but got %d"
            .formatted(geometry.branches(), plan.branchGroups()));
    RankShare share = new RankShare(plan, exchange.rank(), geometry, condition);
    return new RankWork(device, program, weights, share, texts, turn, exchange, trace);
  }

  /** For captured tensors of the network. */
  Function<Range, Tap> taps(Geometry geometry, Condition condition, Collection<String> names) {
    return rows -> {
      Range before = new Range(0, rows.start());
      int firstText = condition.ofBranches(before).textTokens();
      return new SliceTap(
          device, geometry.withBranches(rows.size()), rows, firstText, names, events);
    };
  }

  /** For captured tensors that this rank tells of as a whole; for none where another rank does. */
  SliceTap tap(Geometry geometry, Collection<String> names, boolean tells) {
    Range all = new Range(0, geometry.branches());
    return new SliceTap(device, geometry, all, 0, tells ? names : List.of(), events);
  }
}
