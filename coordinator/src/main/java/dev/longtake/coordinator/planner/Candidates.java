package dev.longtake.coordinator.planner;

import dev.longtake.common.plan.Plans;
import dev.longtake.common.plan.SequenceMode;
import dev.longtake.v1.AttentionProfile;
import dev.longtake.v1.ModelProfile;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;

/**
 * The plans worth predicting. Up to {@value #SMALL_CLUSTER} workers these are all products of branch groups, stages and sequence ranks;
 * beyond, stages and ranks are taken from 1 to 8, then two of every doubling, the largest that is useful, and those ranks that bring each
 * rank's frames down to 1, 2, 3 or 4. Left out are plans in
 * which some worker would have nothing to do: more branch groups than make the largest one smaller, more ranks than frames or patches;
 * and in large clusters modes that another one outdoes in both bytes and exchanges.
 */
final class Candidates {
  static final int SMALL_CLUSTER = 32;

  private final Workload workload;
  private final TokenGrid grid;
  private final int workers;

  Candidates(Workload workload, int workers) {
    this.workload = workload;
    this.workers = workers;
    grid = TokenGrid.of(workload);
  }

  /** All of them, with equal shares. */
  List<Shape> all() {
    List<Shape> shapes = new ArrayList<>();
    for (int groups : groups()) {
      for (int stages : degrees(workers / groups, workload.profile().getBlocksCount())) {
        int most = workers / (groups * stages);
        for (int ranks : ranks(most)) {
          for (SequenceMode mode : modes(workload.profile(), ranks)) {
            if (isUseful(mode, ranks) && !isOutdone(mode, ranks)) {
              addParts(shapes, groups, stages, ranks, mode);
            }
          }
        }
      }
    }
    return shapes;
  }

  /** Branch groups, each making the largest number of rows smaller. */
  private List<Integer> groups() {
    List<Integer> groups = new ArrayList<>();
    int rows = Integer.MAX_VALUE;
    for (int count = 1; count <= Math.min(workload.rows(), workers); count++) {
      int largest = Math.ceilDiv(workload.rows(), count);
      if (largest < rows) {
        groups.add(count);
        rows = largest;
      }
    }
    return groups;
  }

  private List<Integer> ranks(int most) {
    TreeSet<Integer> ranks = new TreeSet<>(degrees(most, Math.max(grid.frames(), grid.patches())));
    for (int frames = 1; frames <= 4; frames++) {
      int count = Math.ceilDiv(grid.frames(), frames);
      if (count <= most) {
        ranks.add(count);
      }
    }
    return List.copyOf(ranks);
  }

  private List<Integer> degrees(int most, int useful) {
    int limit = Math.min(most, useful);
    TreeSet<Integer> degrees = new TreeSet<>();
    for (int degree = 1; degree <= Math.min(limit, workers > SMALL_CLUSTER ? 8 : limit); degree++) {
      degrees.add(degree);
    }
    for (long power = 8; power <= limit; power *= 2) {
      degrees.add((int) power);
      if (power + power / 2 <= limit) {
        degrees.add((int) (power + power / 2));
      }
    }
    if (limit >= 1) {
      degrees.add(limit);
    }
    return List.copyOf(degrees);
  }

  /** What differs for the model; one of them where there is nothing to share. */
  static List<SequenceMode> modes(ModelProfile profile, int ranks) {
    if (ranks == 1) {
      return List.of(SequenceMode.GATHER);
    }
    boolean temporal = Plans.hasAxis(profile, AttentionProfile.Axis.AXIS_TEMPORAL);
    boolean full = Plans.hasAxis(profile, AttentionProfile.Axis.AXIS_FULL);
    boolean spatial = Plans.hasAxis(profile, AttentionProfile.Axis.AXIS_SPATIAL);
    List<SequenceMode> modes = new ArrayList<>();
    if (temporal && !full) {
      modes.add(SequenceMode.SWITCH);
    }
    modes.add(SequenceMode.GATHER);
    if (temporal || full) {
      modes.add(SequenceMode.HEADS);
    }
    if (!Plans.reduces(profile)) {
      modes.add(SequenceMode.PATCH_GATHER);
      if (spatial || full) {
        modes.add(SequenceMode.PATCH_HEADS);
      }
    }
    return modes;
  }

  private boolean isUseful(SequenceMode mode, int ranks) {
    boolean frames = ranks <= grid.frames();
    boolean patches = ranks <= grid.patches();
    return switch (mode) {
      // A rank may have patches and no frames: it takes part in half of the blocks.
      case SWITCH -> workers > SMALL_CLUSTER ? frames && patches : frames || patches;
      case HEADS, GATHER -> frames;
      case PATCH_HEADS, PATCH_GATHER -> patches;
    };
  }

  /**
   * In a large cluster, whether another mode sends less in no more exchanges: a switch sends half of what heads do (2 M / N a pair of
   * blocks, and 4 M / N); heads send less than gathers from three ranks on, if there are heads for all (2 M (N - 1) / N).
   */
  private boolean isOutdone(SequenceMode mode, int ranks) {
    if (workers <= SMALL_CLUSTER) {
      return false;
    }
    List<SequenceMode> modes = modes(workload.profile(), ranks);
    boolean switches = modes.contains(SequenceMode.SWITCH) && isUseful(SequenceMode.SWITCH, ranks);
    boolean heads = 2 < ranks && ranks <= workload.profile().getHeads();
    return switch (mode) {
      case SWITCH -> false;
      case HEADS, PATCH_HEADS -> switches;
      case GATHER -> switches || (heads && modes.contains(SequenceMode.HEADS));
      case PATCH_GATHER -> switches || (heads && modes.contains(SequenceMode.PATCH_HEADS));
    };
  }

  private void addParts(List<Shape> shapes, int groups, int stages, int ranks, SequenceMode mode) {
    shapes.add(Shape.equalShares(groups, stages, ranks, mode, 1));
    boolean overlaps = ranks > 1 || stages > 1;
    if (overlaps && Math.ceilDiv(workload.rows(), groups) > 1) {
      shapes.add(Shape.equalShares(groups, stages, ranks, mode, 2));
    }
  }
}
