package dev.longtake.coordinator.planner;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.plan.ExecutionPlan;
import dev.longtake.common.plan.Plans;
import dev.longtake.coordinator.planner.Outcome.Shortage;
import dev.longtake.coordinator.planner.Ranking.Ranked;
import dev.longtake.v1.Plan;
import dev.longtake.v1.PlanCandidate;
import java.util.ArrayList;
import java.util.List;

/**
 * Divides a job among workers: predicts every plan worth it and takes the fastest that fits into memory. Pure arithmetic, safe for any
 * thread; docs/planning.md has the formulas.
 */
public final class Planner {
  /** Candidates that are handed out with their predictions. */
  static final int MAX_FITTING = 64;

  static final int MAX_OTHERS = 16;

  private Planner() {}

  /**
   * Chooses a plan.
   *
   * @param waitingJobs like this one, that wait for the same workers; with some, workers may be left to them
   * @throws LongtakeException OUT_OF_MEMORY when no plan fits, with the numbers and what would fit
   */
  public static PlanChoice plan(Workload workload, ClusterView cluster, int waitingJobs) {
    if (waitingJobs < 0) {
      throw new IllegalArgumentException(
          "Expected no negative number of waiting jobs, but got " + waitingJobs);
    }
    Search search = new Search(workload, cluster);
    Ranking ranking = search.rank(waitingJobs + 1);
    if (ranking.fitting().isEmpty()) {
      throw nothingFits(workload, cluster, search, ranking);
    }
    Machines machines = search.machines();
    Reasons reasons = new Reasons(machines, ranking, waitingJobs + 1);
    PlanMessages messages = new PlanMessages(workload, machines, search.predictor());
    List<PlanCandidate> candidates = new ArrayList<>();
    for (Ranked ranked : ranking.fitting()) {
      if (candidates.size() == MAX_FITTING) {
        break;
      }
      boolean chosen = candidates.isEmpty();
      candidates.add(
          messages.candidate(
              ranked.outcome(), chosen, chosen ? reasons.won() : reasons.lost(ranked)));
    }
    ranking.others().stream()
        .limit(MAX_OTHERS)
        .forEach(
            other -> candidates.add(messages.candidate(other, false, reasons.doesNotFit(other))));
    PlanCandidate first = candidates.getFirst();
    return new PlanChoice(
        first.getPlan().toBuilder().setReason(first.getReason()).build(),
        first.getWorkerIdsList(),
        candidates,
        ranking.considered());
  }

  /**
   * Predicts a plan that somebody asks for.
   *
   * @throws LongtakeException INVALID_REQUEST naming the field when the plan is impossible for the model, the rows or the number of
   *     workers; OUT_OF_MEMORY when it does not fit, with what would
   */
  public static PlanChoice forced(Plan plan, Workload workload, ClusterView cluster) {
    ExecutionPlan checked = Plans.of(plan, workload.profile());
    int workers = cluster.workers().size();
    if (checked.workers() > workers) {
      throw LongtakeException.invalidField(
          "plan",
          "Expected a plan for at most the %s that there are, but %d branch groups x %d stages x %d sequence ranks take %d; lower one of them or add workers"
              .formatted(
                  Words.workers(workers),
                  checked.branchGroups(),
                  checked.stages().size(),
                  checked.sequenceRanks(),
                  checked.workers()));
    }
    if (checked.branchGroups() > workload.rows()) {
      throw LongtakeException.invalidField(
          "plan.branch_groups",
          "Expected at most as many branch groups as the batch has rows, %d, but got %d; guidance above 1 makes two rows of one"
              .formatted(workload.rows(), checked.branchGroups()));
    }
    Search search = new Search(workload, cluster);
    Outcome outcome = search.predict(checked);
    if (!outcome.fits()) {
      throw new LongtakeException(
          ErrorCode.OUT_OF_MEMORY,
          "Expected a plan that fits into memory, but with this one %s; %s"
              .formatted(
                  needs(search, outcome),
                  search
                      .anyThatFits()
                      .map(other -> "it would fit with " + Words.plan(other.plan()))
                      .orElseGet(() -> new WhatFits(workload, cluster).advice())));
    }
    PlanMessages messages = new PlanMessages(workload, search.machines(), search.predictor());
    PlanCandidate candidate =
        messages.candidate(
            outcome,
            /* chosen= */ true,
            "asked for: " + Words.seconds(outcome.seconds()) + " a step predicted");
    return new PlanChoice(
        candidate.getPlan().toBuilder().setReason(candidate.getReason()).build(),
        candidate.getWorkerIdsList(),
        List.of(candidate),
        1);
  }

  /**
   * How long one sequence can be: the most latent frames of a clip of this size that fit into these workers at once, with the plan that
   * takes least. A longer video is made segment by segment.
   *
   * @return 0 when not even one frame fits
   */
  public static int mostFrames(Workload workload, ClusterView cluster) {
    return new WhatFits(workload, cluster).mostFrames();
  }

  private static String needs(Search search, Outcome outcome) {
    Shortage shortage = outcome.shortage().orElseThrow();
    return "%s needs %s and has %s"
        .formatted(
            search.machines().worker(outcome.workers()[shortage.rank()]).id(),
            Words.bytes(shortage.neededBytes()),
            Words.bytes(shortage.availableBytes()));
  }

  private static LongtakeException nothingFits(
      Workload workload, ClusterView cluster, Search search, Ranking ranking) {
    Outcome closest = ranking.others().getFirst();
    return new LongtakeException(
        ErrorCode.OUT_OF_MEMORY,
        "Expected a plan that fits into memory, but none of %d on %s does: with %s, the closest, %s; %s"
            .formatted(
                ranking.considered(),
                Words.workers(cluster.workers().size()),
                Words.plan(closest.plan()),
                needs(search, closest),
                new WhatFits(workload, cluster).advice()));
  }
}
