package dev.longtake.worker.engine.reuse;

import dev.longtake.common.stepcache.Reusable;
import dev.longtake.common.stepcache.StepCacheMode;
import dev.longtake.common.stepcache.StepCaches;
import dev.longtake.worker.engine.model.Block;
import dev.longtake.worker.engine.model.Op;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** What each step of a run takes over. It follows from the mode and the sampler's table alone, so every rank of a job knows it. */
public final class ReuseSchedule {
  /** Of a run in which every step is computed. */
  public static final ReuseSchedule EXACT = new ReuseSchedule(StepCaches.EXACT, List.of());

  private final StepCacheMode mode;
  private final List<Double> thousandths;

  /**
   * A schedule.
   *
   * @param thousandths the timestep of each step, in thousandths of that of pure noise
   */
  public ReuseSchedule(StepCacheMode mode, List<Double> thousandths) {
    this.mode = mode;
    this.thousandths = List.copyOf(thousandths);
  }

  /**
   * What a step takes over.
   *
   * @param step from 0
   */
  public StepReuse at(int step) {
    return switch (mode) {
      case StepCacheMode.Exact _ -> StepReuse.NONE;
      case StepCacheMode.Broadcast broadcast ->
          new StepReuse(reused(broadcast, step), reused(broadcast, step + 1), 0);
      case StepCacheMode.FirstBlock cache ->
          new StepReuse(Set.of(), Set.of(), cache.mayReuse(step) ? cache.threshold() : 0);
    };
  }

  private Set<Reusable> reused(StepCacheMode.Broadcast broadcast, int step) {
    Set<Reusable> reused = EnumSet.noneOf(Reusable.class);
    if (step < thousandths.size()) {
      for (Reusable operation : broadcast.operations()) {
        if (broadcast.reuses(operation, step, thousandths.get(step))) {
          reused.add(operation);
        }
      }
    }
    return reused;
  }

  /**
   * Whether a run can begin with a step. It can where the step takes nothing over: an operation that it computes is kept from there on, so
   * what later steps take over of it was computed by this step or after it.
   */
  public boolean isFresh(int step) {
    StepReuse reuse = at(step);
    return reuse.reused().isEmpty() && !reuse.isOpen();
  }

  /**
   * Whether a state is due: {@code stepsDone} is the first fresh step at or after a multiple of {@code every}.
   *
   * @param every steps; 0: never
   */
  public boolean isCheckpoint(int stepsDone, int every) {
    if (every <= 0 || !isFresh(stepsDone)) {
      return false;
    }
    int before = stepsDone - 1;
    while (before > 0 && !isFresh(before)) {
      before--;
    }
    return stepsDone / every > before / every;
  }

  /**
   * What a whole run took over.
   *
   * @param blocks all of the model
   * @param restReused steps that took over what the blocks behind the first one add
   */
  public ReuseCounts counts(List<Block> blocks, int restReused) {
    Map<Reusable, Long> all = operations(blocks);
    Map<Reusable, Long> reused = new EnumMap<>(Reusable.class);
    operations(blocks.subList(1, blocks.size()))
        .forEach((operation, count) -> reused.put(operation, count * restReused));
    int stepsWithReuse = restReused;
    for (int step = 0; step < thousandths.size(); step++) {
      Set<Reusable> ofStep = at(step).reused();
      for (Reusable operation : ofStep) {
        reused.merge(operation, all.getOrDefault(operation, 0L), Long::sum);
      }
      stepsWithReuse += ofStep.isEmpty() ? 0 : 1;
    }
    long operations = all.values().stream().mapToLong(Long::longValue).sum();
    return new ReuseCounts(
        thousandths.size(), stepsWithReuse, operations * thousandths.size(), reused);
  }

  private static Map<Reusable, Long> operations(List<Block> blocks) {
    Map<Reusable, Long> counts = new EnumMap<>(Reusable.class);
    for (Block block : blocks) {
      for (Op op : block.ops()) {
        op.reusable().ifPresent(operation -> counts.merge(operation, 1L, Long::sum));
      }
    }
    return counts;
  }
}
