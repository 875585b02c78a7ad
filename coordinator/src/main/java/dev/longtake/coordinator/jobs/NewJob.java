package dev.longtake.coordinator.jobs;

import dev.longtake.v1.GenerationRequest;
import dev.longtake.v1.ModelCard;
import java.time.Duration;

/**
 * What makes a job.
 *
 * @param request validated, with every default filled in
 * @param card of the model it was checked against
 * @param prompt encoded
 * @param textEncoderTime how long encoding took
 */
public record NewJob(
    GenerationRequest request, ModelCard card, EncodedPrompt prompt, Duration textEncoderTime) {}
