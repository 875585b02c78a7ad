package dev.longtake.coordinator.jobs;

import dev.longtake.v1.SamplerState;
import dev.longtake.v1.StoredPrompt;
import java.util.Optional;

/**
 * What an attempt begins with.
 *
 * @param attempt its number
 * @param state of the sampler after the last step that was kept; empty: from noise
 */
record AttemptStart(long attempt, StoredPrompt prompt, Optional<SamplerState> state) {
  int stepsKept() {
    return state.map(SamplerState::getStepsDone).orElse(0);
  }
}
