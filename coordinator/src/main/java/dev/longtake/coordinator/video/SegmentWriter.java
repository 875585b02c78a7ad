package dev.longtake.coordinator.video;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Encodes RGB frames, in order, as one segment of a video: H.264, yuv420p, in a fragmented MP4 of its own, which {@link VideoStream} takes
 * in. The same frames at the same place give the same bytes, whatever was encoded before: every segment begins with a key frame.
 *
 * <p>{@link #close} removes the file. Not thread-safe.
 */
public final class SegmentWriter implements AutoCloseable {
  /** Suffix of the files, so that left-overs of a killed process can be recognised. */
  public static final String SUFFIX = ".segment";

  private final Path file;
  private final VideoFormat format;
  private final long firstFrame;
  private final H264Encoder encoder;
  private int frames;

  private SegmentWriter(Path file, VideoFormat format, long firstFrame, H264Encoder encoder) {
    this.file = file;
    this.format = format;
    this.firstFrame = firstFrame;
    this.encoder = encoder;
  }

  /**
   * Opens the encoder and the temporary file.
   *
   * @param folder of the temporary file
   * @param name what the temporary file's begins with
   * @param firstFrame index in the whole video of the first frame that will be written
   * @throws LongtakeException INVALID_REQUEST when the size can't be encoded, STORAGE_UNAVAILABLE when the file can't be made
   */
  public static SegmentWriter create(
      Path folder, String name, VideoFormat format, long firstFrame) {
    format
        .problem()
        .ifPresent(problem -> {
          throw LongtakeException.invalidField("upscale", problem);
        });
    Path file;
    try {
      // Its own, whoever else encodes the same segment.
      file = Files.createTempFile(folder, name + "-", SUFFIX);
    } catch (IOException e) {
      throw new LongtakeException(
          ErrorCode.STORAGE_UNAVAILABLE,
          "Expected room for a segment in %s, but no file can be made: %s".formatted(folder, e),
          e);
    }
    try {
      return new SegmentWriter(
          file, format, firstFrame, H264Encoder.open(file, format, firstFrame));
    } catch (LongtakeException e) {
      delete(file);
      throw e;
    }
  }

  /**
   * Encodes the next frame.
   *
   * @param rgb direct or not, [height, width, 3], position to limit being exactly one frame
   */
  public void write(ByteBuffer rgb) {
    if (rgb.remaining() != format.frameBytes()) {
      throw new IllegalArgumentException(
          "Expected a frame of %d bytes, but got %d bytes"
              .formatted(format.frameBytes(), rgb.remaining()));
    }
    encoder.encode(rgb.duplicate(), firstFrame + frames);
    frames++;
  }

  /**
   * Flushes the encoder.
   *
   * @return the file, which is there until this writer is closed
   * @throws LongtakeException INTERNAL when there was no frame or the disk refused
   */
  public Path finish() {
    if (frames == 0) {
      throw new LongtakeException(ErrorCode.INTERNAL, "Expected at least one frame, but got none");
    }
    encoder.finish();
    encoder.close();
    return file;
  }

  @Override
  public void close() {
    encoder.close();
    delete(file);
  }

  private static void delete(Path file) {
    try {
      Files.deleteIfExists(file);
    } catch (IOException e) {
      throw new LongtakeException(
          ErrorCode.INTERNAL, "Cannot remove the temporary file %s: %s".formatted(file, e), e);
    }
  }
}
