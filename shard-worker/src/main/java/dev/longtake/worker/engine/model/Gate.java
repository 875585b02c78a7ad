package dev.longtake.worker.engine.model;

/**
 * A vector that multiplies a branch's result.
 *
 * @param row of the source
 * @param maskedFramesOrdinary frames treated as t = 0 use the vector of the ordinary timestep all the same
 */
public record Gate(Modulation.Source source, int row, boolean maskedFramesOrdinary) {}
