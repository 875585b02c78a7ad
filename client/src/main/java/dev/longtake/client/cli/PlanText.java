package dev.longtake.client.cli;

import dev.longtake.client.LongtakeClientException;
import dev.longtake.v1.BlockRange;
import dev.longtake.v1.Plan;
import dev.longtake.v1.SequenceMode;
import dev.longtake.v1.WireFormat;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.function.Consumer;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/**
 * Plans in one line. For reading: {@code 2 branches x 2 stages [0-14,14-56] x 4 ranks (switch), 2 parts}; axes that are not
 * divided are left out, and most of many stages; a lossy wire format is said. For writing, as options take them: {@code branches=2 stages=0-14,14-56 ranks=4 mode=switch parts=2
 * shares=2,1,1,1 wire=bf16}, in any order, each optional.
 */
public final class PlanText {
  private static final String EXAMPLE =
      "branches=2 stages=0-14,14-56 ranks=4 mode=switch parts=2 shares=2,1,1,1";

  private static final List<String> KEYS =
      List.of("branches", "stages", "ranks", "mode", "parts", "shares", "wire");

  /** More would make a line unreadable. */
  private static final int MAX_RANGES = 6;

  private static final String PREFIX = "SEQUENCE_MODE_";

  private PlanText() {}

  /** The plan for people; {@code "1 worker"} where nothing is divided. */
  public static String format(Plan plan) {
    List<String> axes = new ArrayList<>();
    if (plan.getBranchGroups() > 1) {
      axes.add(plan.getBranchGroups() + " branches");
    }
    if (plan.getStagesCount() > 1) {
      axes.add(plan.getStagesCount() + " stages [" + ranges(plan.getStagesList()) + "]");
    }
    if (plan.getSequenceRanks() > 1) {
      axes.add(plan.getSequenceRanks() + " ranks" + mode(plan.getSequenceMode()));
    }
    String text = axes.isEmpty() ? "1 worker" : String.join(" x ", axes);
    if (plan.getSequenceSharesCount() > 0) {
      text += ", shares " + shares(plan.getSequenceSharesList());
    }
    if (plan.getMicroBatches() > 1) {
      text += ", " + plan.getMicroBatches() + " parts";
    }
    boolean isLossy = WireFormats.isLossy(plan.getWireFormat()) && !axes.isEmpty();
    return isLossy ? text + ", lossy wire " + WireFormats.name(plan.getWireFormat()) : text;
  }

  /** All of them, or the first and the last ones. */
  private static String ranges(List<BlockRange> stages) {
    List<String> ranges =
        stages.stream().map(range -> range.getStart() + "-" + range.getEnd()).toList();
    if (ranges.size() <= MAX_RANGES) {
      return String.join(",", ranges);
    }
    return String.join(",", ranges.subList(0, MAX_RANGES - 2))
        + ",...,"
        + ranges.get(ranges.size() - 1);
  }

  private static String mode(SequenceMode mode) {
    return mode == SequenceMode.SEQUENCE_MODE_UNSPECIFIED ? "" : " (" + name(mode) + ")";
  }

  private static String name(SequenceMode mode) {
    return mode == SequenceMode.UNRECOGNIZED
        ? "unknown mode"
        : mode.name().substring(PREFIX.length()).toLowerCase(Locale.ROOT).replace('_', '-');
  }

  /** For example {@code 2:1:1}; runs of equal ones are counted, as in {@code 2:1(x7)}. */
  private static String shares(List<Integer> shares) {
    List<String> runs = new ArrayList<>();
    int start = 0;
    for (int i = 1; i <= shares.size(); i++) {
      if (i == shares.size() || !shares.get(i).equals(shares.get(start))) {
        int length = i - start;
        String share = String.valueOf(shares.get(start));
        if (length > 3) {
          runs.add(share + "(x" + length + ")");
        } else {
          runs.addAll(java.util.Collections.nCopies(length, share));
        }
        start = i;
      }
    }
    return String.join(":", runs);
  }

  /**
   * A plan from its parts. What is absent is one, all blocks, equal shares and the model's usual mode; where only shares are
   * given, there are as many ranks as shares. Only the notation is checked; whether the model and the workers allow the plan is the
   * coordinator's to say.
   *
   * @throws LongtakeClientException INVALID_REQUEST, with the part that is wrong and what is allowed
   */
  public static Plan parse(String text) {
    Plan.Builder plan = Plan.newBuilder();
    Set<String> seen = new HashSet<>();
    String stripped = text.strip();
    if (stripped.isEmpty()) {
      throw invalid("Expected a plan such as '%s', but got nothing".formatted(EXAMPLE));
    }
    for (String part : stripped.split("\\s+", -1)) {
      int equals = part.indexOf('=');
      String key = equals < 0 ? part : part.substring(0, equals);
      if (equals < 0 || !KEYS.contains(key)) {
        throw invalid(
            "Expected parts KEY=VALUE with the keys %s, as in '%s', but got '%s'"
                .formatted(String.join(", ", KEYS), EXAMPLE, part));
      }
      if (!seen.add(key)) {
        throw invalid("Expected every part of a plan once, but '%s' is there twice".formatted(key));
      }
      set(plan, key, part.substring(equals + 1));
    }
    if (!seen.contains("ranks")) {
      plan.setSequenceRanks(Math.max(1, plan.getSequenceSharesCount()));
    }
    return plan.build();
  }

  private static void set(Plan.Builder plan, String key, String value) {
    switch (key) {
      case "branches" -> plan.setBranchGroups(number(key, value));
      case "ranks" -> plan.setSequenceRanks(number(key, value));
      case "parts" -> plan.setMicroBatches(number(key, value));
      case "mode" -> plan.setSequenceMode(mode(value));
      case "wire" -> plan.setWireFormat(wireFormat(value));
      case "shares" -> each(value, share -> plan.addSequenceShares(number(key, share)));
      case "stages" -> each(value, range -> plan.addStages(range(range)));
      default -> throw new IllegalStateException(key);
    }
  }

  private static WireFormat wireFormat(String value) {
    try {
      return WireFormats.parse(value);
    } catch (IllegalArgumentException e) {
      throw invalid(String.valueOf(e.getMessage()));
    }
  }

  private static void each(String list, Consumer<String> item) {
    for (String value : list.split(",", -1)) {
      item.accept(value);
    }
  }

  private static int number(String key, String value) {
    try {
      int number = Integer.parseInt(value);
      if (number >= 1) {
        return number;
      }
    } catch (NumberFormatException e) {
      // Said below, with the same words as for a number that is too small.
    }
    throw invalid("Expected %s to be at least 1, but got '%s'".formatted(key, value));
  }

  private static BlockRange range(String value) {
    String[] ends = value.split("-", -1);
    try {
      if (ends.length == 2) {
        return BlockRange.newBuilder()
            .setStart(Integer.parseInt(ends[0]))
            .setEnd(Integer.parseInt(ends[1]))
            .build();
      }
    } catch (NumberFormatException e) {
      // Said below.
    }
    throw invalid(
        "Expected stages to be ranges of blocks START-END separated by commas, each end being the next start, as in 0-14,14-56, but got '%s'"
            .formatted(value));
  }

  private static SequenceMode mode(String value) {
    List<String> names = new ArrayList<>();
    for (SequenceMode mode : SequenceMode.values()) {
      if (mode == SequenceMode.UNRECOGNIZED || mode == SequenceMode.SEQUENCE_MODE_UNSPECIFIED) {
        continue;
      }
      if (name(mode).equals(value)) {
        return mode;
      }
      names.add(name(mode));
    }
    throw invalid(
        "Expected mode to be one of %s, but got '%s'".formatted(String.join(", ", names), value));
  }

  private static LongtakeClientException invalid(String message) {
    return new LongtakeClientException(LongtakeClientException.INVALID_REQUEST, message);
  }

  /** For options of commands. */
  public static final class Converter implements ITypeConverter<Plan> {
    @Override
    public Plan convert(String value) {
      try {
        return parse(value);
      } catch (LongtakeClientException e) {
        throw new TypeConversionException(e.getMessage());
      }
    }
  }
}
