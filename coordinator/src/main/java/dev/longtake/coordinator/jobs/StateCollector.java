package dev.longtake.coordinator.jobs;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.v1.SamplerState;
import dev.longtake.v1.StatePart;
import dev.longtake.v1.StepCache;
import java.util.List;
import java.util.Optional;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * Puts a sampler's states together from the parts of all ranks. Ranks go in step, so no more than {@link #MAX_OPEN} states are ever
 * incomplete. Thread-safe.
 */
final class StateCollector {
  /** States under way; older ones can't be completed any more. */
  private static final int MAX_OPEN = 2;

  private final List<Long> shape;
  private final StepCache stepCache;
  private final TreeMap<Integer, Open> open = new TreeMap<>();

  /**
   * @param shape of the latents, [samples, channels, frames, height, width]
   * @param stepCache that the states are made with; the default instance for none
   */
  StateCollector(List<Long> shape, StepCache stepCache) {
    this.stepCache = stepCache;
    this.shape = List.copyOf(shape);
  }

  private static final class Open {
    final GatheredLatents latents;
    final @Nullable GatheredLatents previous;

    Open(List<Long> shape, boolean hasPrevious) {
      latents = new GatheredLatents(shape);
      previous = hasPrevious ? new GatheredLatents(shape) : null;
    }
  }

  /**
   * Takes a part.
   *
   * @return the state that is whole now
   * @throws LongtakeException INTERNAL when the part does not fit
   */
  synchronized Optional<SamplerState> add(StatePart part) {
    int step = part.getStepsDone();
    Open state = open.computeIfAbsent(step, _ -> new Open(shape, part.hasPrevious()));
    while (open.size() > MAX_OPEN) {
      open.pollFirstEntry();
    }
    state.latents.add(part.getLatents());
    if (state.previous != null) {
      state.previous.add(part.getPrevious());
    }
    if (!state.latents.isComplete() || (state.previous != null && !state.previous.isComplete())) {
      return Optional.empty();
    }
    open.remove(step);
    SamplerState.Builder whole =
        SamplerState.newBuilder()
            .setStepsDone(step)
            .setLatents(state.latents.tensor())
            .setRestReused(part.getRestReused());
    if (!stepCache.equals(StepCache.getDefaultInstance())) {
      whole.setStepCache(stepCache);
    }
    if (state.previous != null) {
      whole.setPrevious(state.previous.tensor());
    }
    return Optional.of(whole.build());
  }
}
