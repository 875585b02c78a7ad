package dev.longtake.coordinator.jobs;

import dev.longtake.v1.Tensor;
import java.util.Optional;

/**
 * What a worker's text encoder made of a prompt.
 *
 * @param embedding [tokens, text channels], float32
 * @param nullText the same of the empty prompt, for models that have no null caption of their own
 */
public record EncodedPrompt(Tensor embedding, Optional<Tensor> nullText) {}
