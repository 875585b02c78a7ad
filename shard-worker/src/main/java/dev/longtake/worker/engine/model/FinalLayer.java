package dev.longtake.worker.engine.model;

/**
 * Modulated projection of each token to the values of its patch.
 *
 * @param layer name of the projection, [patch volume * output channels, C]
 * @param modulation without a gate
 * @param maskedFramesTwice frames treated as t = 0 are first normalised and modulated like all others and then again with
 *     the vectors of t = 0, as the Open-Sora family does
 */
public record FinalLayer(String layer, Modulation modulation, boolean maskedFramesTwice) {}
