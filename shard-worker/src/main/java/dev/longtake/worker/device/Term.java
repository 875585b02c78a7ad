package dev.longtake.worker.device;

/**
 * One summand of {@link Device#combine}.
 *
 * @param values F32
 * @param coefficients one for all rows, or one per row
 */
public record Term(Matrix values, float[] coefficients) {}
