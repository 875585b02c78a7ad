package dev.longtake.worker.service;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.plan.ExecutionPlan;
import dev.longtake.common.plan.Plans;
import dev.longtake.common.rpc.Endpoints;
import dev.longtake.v1.ModelCard;
import dev.longtake.v1.WorkOrder;
import java.util.HashSet;

/** What can be known to be wrong with an order before anything runs. */
final class OrderChecks {
  private OrderChecks() {}

  /**
   * Checks all fields but the task's own, which are the model's business.
   *
   * @return lanes of exchanges that the order needs: one for each micro-batch, and one for the job itself
   * @throws LongtakeException INVALID_REQUEST when the order contradicts itself; MODEL_MISMATCH
   */
  static int check(WorkOrder order, ModelCard model) {
    if (order.getJobId().isBlank()) {
      throw LongtakeException.invalidField("job_id", "Expected a job id, but it is empty");
    }
    if (order.getAttempt() < 0) {
      throw LongtakeException.invalidField(
          "attempt", "Expected an attempt of 0 or more, but got " + order.getAttempt());
    }
    checkGang(order);
    if (order.getTaskCase() == WorkOrder.TaskCase.TASK_NOT_SET) {
      throw LongtakeException.invalidField(
          "task", "Expected a sampling or a forward task, but the order has none");
    }
    if (order.getPrecision() == dev.longtake.v1.Precision.UNRECOGNIZED) {
      throw LongtakeException.invalidField(
          "precision",
          "Expected a precision this worker knows, but got " + order.getPrecisionValue());
    }
    if (!order.getModelFingerprint().equals(model.getFingerprint())) {
      throw new LongtakeException(
          ErrorCode.MODEL_MISMATCH,
          "Expected an order for model %s (fingerprint %s), but it is for fingerprint %s; start the worker with that model"
              .formatted(model.getName(), model.getFingerprint(), order.getModelFingerprint()));
    }
    return switch (order.getTaskCase()) {
      case MEASURE_LINK, MEASURE_BLOCKS, TASK_NOT_SET -> 1;
      case SAMPLING, FORWARD -> checkPlan(order, model);
    };
  }

  private static int checkPlan(WorkOrder order, ModelCard model) {
    ExecutionPlan plan = Plans.of(order.getPlan(), model.getProfile());
    if (plan.workers() != order.getGangCount()) {
      throw LongtakeException.invalidField(
          "plan",
          "Expected a plan for the gang's %d workers, but it is for %d: %d branch groups x %d stages x %d sequence ranks"
              .formatted(
                  order.getGangCount(),
                  plan.workers(),
                  plan.branchGroups(),
                  plan.stages().size(),
                  plan.sequenceRanks()));
    }
    return plan.microBatches() + 1;
  }

  private static void requireAllOrNone(String field, int count, int ranks) {
    if (count != 0 && count != ranks) {
      throw LongtakeException.invalidField(
          field,
          "Expected one for each of the gang's %d workers, or none, but got %d"
              .formatted(ranks, count));
    }
  }

  private static void checkGang(WorkOrder order) {
    int ranks = order.getGangCount();
    if (ranks == 0) {
      throw LongtakeException.invalidField("gang", "Expected at least one address, but got none");
    }
    order.getGangList().forEach(Endpoints::requireAddress);
    if (new HashSet<>(order.getGangList()).size() != ranks) {
      throw LongtakeException.invalidField(
          "gang", "Expected distinct addresses, but got " + order.getGangList());
    }
    requireAllOrNone("gang_tokens", order.getGangTokensCount(), ranks);
    requireAllOrNone("gang_ids", order.getGangIdsCount(), ranks);
    if (order.getRank() < 0 || order.getRank() >= ranks) {
      throw LongtakeException.invalidField(
          "rank",
          "Expected a rank of 0 to %d, the gang's last, but got %d"
              .formatted(ranks - 1, order.getRank()));
    }
    var timeout = order.getExchangeTimeout();
    if (order.hasExchangeTimeout()
        && (timeout.getSeconds() < 0
            || timeout.getNanos() < 0
            || timeout.getSeconds() + timeout.getNanos() == 0)) {
      throw LongtakeException.invalidField(
          "exchange_timeout",
          "Expected a duration above 0, but got %d s %d ns"
              .formatted(timeout.getSeconds(), timeout.getNanos()));
    }
  }
}
