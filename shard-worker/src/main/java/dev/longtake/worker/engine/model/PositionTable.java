package dev.longtake.worker.engine.model;

/**
 * Sine-cosine positions added to the embedded patches, the grid being stretched with the resolution (PixArt-style): row i
 * sits at {@code i / scale * base / rows} with {@code scale = sqrt(pixelHeight * pixelWidth) / inputSquareSize} and {@code
 * base = round(sqrt(rows * columns))}.
 */
public record PositionTable(int inputSquareSize) {}
