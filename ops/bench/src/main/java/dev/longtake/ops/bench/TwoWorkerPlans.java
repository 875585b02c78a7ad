package dev.longtake.ops.bench;

import dev.longtake.common.partition.Range;
import dev.longtake.common.plan.ExecutionPlan;
import dev.longtake.common.plan.SequenceMode;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * Plans for at most two workers, by names that figures have. {@code _in_two}: with two micro-batches, as many as guidance has rows.
 */
final class TwoWorkerPlans {
  private static final int WORKERS = 2;
  private static final String IN_TWO = "_in_two";

  private TwoWorkerPlans() {}

  /**
   * All there are for a model with attention within and across frames and two equal workers: one worker; two branch groups; two
   * stages, divided before every block; two equal sequence ranks in every mode; each of the latter with one and two micro-batches.
   */
  static Map<String, ExecutionPlan> all(int blocks) {
    Map<String, ExecutionPlan> plans = new LinkedHashMap<>();
    plans.put("solo", ExecutionPlan.solo(blocks));
    plans.put("branches", branches(blocks));
    for (int parts = 1; parts <= 2; parts++) {
      String suffix = parts == 1 ? "" : IN_TWO;
      for (int first = 1; first < blocks; first++) {
        plans.put(
            "ranges_%d_%d%s".formatted(first, blocks - first, suffix),
            ranges(blocks, first, parts));
      }
      for (SequenceMode mode : SequenceMode.values()) {
        plans.put(
            mode.name().toLowerCase(Locale.ROOT) + suffix,
            sequence(blocks, mode, List.of(1, 1), parts));
      }
    }
    return plans;
  }

  /** Some of every kind, uneven ones too: what predictions are compared with. */
  static Map<String, ExecutionPlan> samples(int blocks) {
    Map<String, ExecutionPlan> all = all(blocks);
    Map<String, ExecutionPlan> plans = new LinkedHashMap<>();
    int half = blocks / 2;
    for (String name :
        List.of(
            "solo",
            "branches",
            "ranges_%d_%d".formatted(half, blocks - half),
            "ranges_%d_%d%s".formatted(half, blocks - half, IN_TWO),
            "ranges_1_%d%s".formatted(blocks - 1, IN_TWO),
            "switch",
            "switch" + IN_TWO,
            "heads",
            "heads" + IN_TWO,
            "gather",
            "gather" + IN_TWO,
            "patch_gather")) {
      ExecutionPlan plan = all.get(name);
      if (plan != null) {
        plans.put(name, plan);
      }
    }
    plans.put(
        "switch_shares_3_1" + IN_TWO, sequence(blocks, SequenceMode.SWITCH, List.of(3, 1), 2));
    return Collections.unmodifiableMap(plans);
  }

  static ExecutionPlan branches(int blocks) {
    return new ExecutionPlan(
        WORKERS, List.of(new Range(0, blocks)), 1, SequenceMode.SWITCH, List.of(1), 1);
  }

  /** The first worker holds the first {@code first} blocks. */
  static ExecutionPlan ranges(int blocks, int first, int microBatches) {
    return new ExecutionPlan(
        1,
        List.of(new Range(0, first), new Range(first, blocks)),
        1,
        SequenceMode.SWITCH,
        List.of(1),
        microBatches);
  }

  static ExecutionPlan sequence(
      int blocks, SequenceMode mode, List<Integer> shares, int microBatches) {
    return new ExecutionPlan(
        1, List.of(new Range(0, blocks)), shares.size(), mode, shares, microBatches);
  }
}
