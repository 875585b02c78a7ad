package dev.longtake.common.plan;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.error.Quoted;
import dev.longtake.common.partition.Range;
import dev.longtake.v1.AttentionProfile;
import dev.longtake.v1.BlockRange;
import dev.longtake.v1.ModelProfile;
import dev.longtake.v1.Plan;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** Between plans as messages and checked plans. */
public final class Plans {
  /** More would only cost time: each part is computed on its own. */
  private static final int MAX_MICRO_BATCHES = 16;

  /** More than any cluster has; plans list things for each of them. */
  private static final int MAX_WORKERS = 4096;

  private Plans() {}

  /**
   * Checks a plan for itself and against the model.
   *
   * @param profile of the model; without blocks, ranges are not checked against it
   * @throws LongtakeException INVALID_REQUEST naming the field, the value and what is allowed
   */
  public static ExecutionPlan of(Plan plan, ModelProfile profile) {
    int ranks = between("plan.sequence_ranks", plan.getSequenceRanks(), MAX_WORKERS);
    int groups =
        plan.getBranchGroups() == 0
            ? 1
            : between("plan.branch_groups", plan.getBranchGroups(), MAX_WORKERS);
    int parts =
        plan.getMicroBatches() == 0
            ? 1
            : between("plan.micro_batches", plan.getMicroBatches(), MAX_MICRO_BATCHES);
    List<Integer> shares = shares(plan, ranks);
    List<Range> stages = stages(plan, profile.getBlocksCount());
    long workers = (long) groups * stages.size() * ranks;
    require(
        workers <= MAX_WORKERS,
        "plan",
        "Expected a plan for at most %d workers, but it takes %d".formatted(MAX_WORKERS, workers));
    return new ExecutionPlan(
        groups,
        stages,
        ranks,
        mode(plan, profile, ranks),
        shares,
        parts,
        wireFormat("plan.wire_format", plan.getWireFormat()));
  }

  /** The plan as a message, without reason and prediction. */
  public static Plan.Builder message(ExecutionPlan plan) {
    Plan.Builder message =
        Plan.newBuilder()
            .setBranchGroups(plan.branchGroups())
            .setSequenceRanks(plan.sequenceRanks())
            .setSequenceMode(
                switch (plan.mode()) {
                  case SWITCH -> dev.longtake.v1.SequenceMode.SEQUENCE_MODE_SWITCH;
                  case HEADS -> dev.longtake.v1.SequenceMode.SEQUENCE_MODE_HEADS;
                  case GATHER -> dev.longtake.v1.SequenceMode.SEQUENCE_MODE_GATHER;
                  case PATCH_HEADS -> dev.longtake.v1.SequenceMode.SEQUENCE_MODE_PATCH_HEADS;
                  case PATCH_GATHER -> dev.longtake.v1.SequenceMode.SEQUENCE_MODE_PATCH_GATHER;
                })
            .setMicroBatches(plan.microBatches())
            .setWireFormat(message(plan.wireFormat()));
    if (plan.stages().size() > 1) {
      plan.stages()
          .forEach(range ->
              message.addStages(
                  BlockRange.newBuilder().setStart(range.start()).setEnd(range.end())));
    }
    if (plan.shares().stream().distinct().count() > 1) {
      message.addAllSequenceShares(plan.shares());
    }
    return message;
  }

  /**
   * A message's format; lossless where it names none.
   *
   * @param field for the error
   * @throws LongtakeException INVALID_REQUEST for one that this version does not know
   */
  public static WireFormat wireFormat(String field, dev.longtake.v1.WireFormat format) {
    return switch (format) {
      case WIRE_FORMAT_UNSPECIFIED, WIRE_FORMAT_STORED -> WireFormat.STORED;
      case WIRE_FORMAT_BF16 -> WireFormat.BF16;
      case WIRE_FORMAT_INT8_ROWS -> WireFormat.INT8_ROWS;
      case UNRECOGNIZED ->
          throw LongtakeException.invalidField(
              field, "Expected a wire format that this version knows, but got another one");
    };
  }

  /** The format as a message's field. */
  public static dev.longtake.v1.WireFormat message(WireFormat format) {
    return switch (format) {
      case STORED -> dev.longtake.v1.WireFormat.WIRE_FORMAT_STORED;
      case BF16 -> dev.longtake.v1.WireFormat.WIRE_FORMAT_BF16;
      case INT8_ROWS -> dev.longtake.v1.WireFormat.WIRE_FORMAT_INT8_ROWS;
    };
  }

  private static List<Integer> shares(Plan plan, int ranks) {
    if (plan.getSequenceSharesCount() == 0) {
      return Collections.nCopies(ranks, 1);
    }
    require(
        plan.getSequenceSharesCount() == ranks
            && plan.getSequenceSharesList().stream().allMatch(share -> share >= 1),
        "plan.sequence_shares",
        "Expected no shares or one of at least 1 for each of %d sequence ranks, but got %s"
            .formatted(ranks, Quoted.line(plan.getSequenceSharesList().toString())));
    return plan.getSequenceSharesList();
  }

  private static List<Range> stages(Plan plan, int blocks) {
    if (plan.getStagesCount() == 0) {
      return List.of(new Range(0, blocks));
    }
    List<Range> stages = new ArrayList<>();
    int next = 0;
    for (BlockRange stage : plan.getStagesList()) {
      String range = "blocks %d to %d".formatted(stage.getStart(), stage.getEnd());
      require(
          stage.getStart() == next,
          "plan.stages",
          "Expected stage %d to begin with block %d, where the one before ends, but it has %s: the ranges %s"
              .formatted(
                  stages.size(), next, range, stage.getStart() < next ? "overlap" : "leave a gap"));
      require(
          stage.getEnd() > stage.getStart(),
          "plan.stages",
          "Expected every stage to hold at least one block, but stage %d has %s"
              .formatted(stages.size(), range));
      stages.add(new Range(stage.getStart(), stage.getEnd()));
      next = stage.getEnd();
    }
    require(
        next == blocks,
        "plan.stages",
        "Expected the stages to hold all %d blocks of the model, but they end with block %d"
            .formatted(blocks, next));
    return stages;
  }

  private static SequenceMode mode(Plan plan, ModelProfile profile, int ranks) {
    boolean temporal = hasAxis(profile, AttentionProfile.Axis.AXIS_TEMPORAL);
    SequenceMode mode =
        switch (plan.getSequenceMode()) {
          case SEQUENCE_MODE_UNSPECIFIED -> temporal ? SequenceMode.SWITCH : SequenceMode.GATHER;
          case SEQUENCE_MODE_SWITCH -> SequenceMode.SWITCH;
          case SEQUENCE_MODE_HEADS -> SequenceMode.HEADS;
          case SEQUENCE_MODE_GATHER -> SequenceMode.GATHER;
          case SEQUENCE_MODE_PATCH_HEADS -> SequenceMode.PATCH_HEADS;
          case SEQUENCE_MODE_PATCH_GATHER -> SequenceMode.PATCH_GATHER;
          case UNRECOGNIZED ->
              throw LongtakeException.invalidField(
                  "plan.sequence_mode",
                  "Expected a sequence mode that this version knows, but got number "
                      + plan.getSequenceModeValue());
        };
    require(
        ranks == 1
            || mode != SequenceMode.SWITCH
            || !hasAxis(profile, AttentionProfile.Axis.AXIS_FULL),
        "plan.sequence_mode",
        "Expected a mode other than switch for a model with attention over all tokens; heads and"
            + " gather fit");
    require(
        ranks == 1 || !mode.splitsByPatch() || !reduces(profile),
        "plan.sequence_mode",
        "Expected a split by frame for a model that reduces keys and values within frames, but got "
            + mode.name().toLowerCase(java.util.Locale.ROOT));
    return mode;
  }

  /** Whether some block of the model has attention along the axis. */
  public static boolean hasAxis(ModelProfile profile, AttentionProfile.Axis axis) {
    return profile.getBlocksList().stream()
        .flatMap(block -> block.getAttentionsList().stream())
        .anyMatch(attention -> attention.getAxis() == axis);
  }

  /** Whether some block reduces keys and values, for which it needs whole frames. */
  public static boolean reduces(ModelProfile profile) {
    return profile.getBlocksList().stream()
        .flatMap(block -> block.getAttentionsList().stream())
        .anyMatch(attention -> attention.getKeyValueReduction() > 1);
  }

  private static int between(String field, int value, int max) {
    require(
        value >= 1 && value <= max,
        field,
        "Expected %s of 1 to %d, but got %d".formatted(field, max, value));
    return value;
  }

  private static void require(boolean condition, String field, String message) {
    if (!condition) {
      throw LongtakeException.invalidField(field, message);
    }
  }
}
