package dev.longtake.coordinator.planner;

import dev.longtake.v1.ClipGeometry;
import dev.longtake.v1.ModelProfile;
import dev.longtake.v1.Precision;

/**
 * What is to be computed.
 *
 * @param samples clips of the batch
 * @param rows of the batch: two for each sample with guidance, else one
 * @param textTokens of one row
 * @param learnedVariance whether the prompts' rows carry channels for the variance
 */
public record Workload(
    ModelProfile profile,
    ClipGeometry clip,
    int samples,
    int rows,
    int textTokens,
    Precision precision,
    boolean learnedVariance) {}
