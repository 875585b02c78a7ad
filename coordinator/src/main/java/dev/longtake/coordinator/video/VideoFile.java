package dev.longtake.coordinator.video;

import java.nio.file.Path;

/**
 * A finished MP4.
 *
 * @param sha256 of the file, hexadecimal
 */
public record VideoFile(Path path, long sizeBytes, String sha256, int frames) {}
