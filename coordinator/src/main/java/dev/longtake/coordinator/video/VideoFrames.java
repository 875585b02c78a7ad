package dev.longtake.coordinator.video;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** The frames of a video file, one after the other, in their own size. For one thread. Owns the decoder. */
public final class VideoFrames implements AutoCloseable {
  private final Path file;
  private final MediaDecoder decoder;

  private VideoFrames(Path file, MediaDecoder decoder) {
    this.file = file;
    this.decoder = decoder;
  }

  /**
   * Opens a file.
   *
   * @throws LongtakeException INVALID_REQUEST naming the file, when it is not there or no video
   */
  public static VideoFrames open(Path file) {
    if (!Files.isRegularFile(file)) {
      throw new LongtakeException(
          ErrorCode.INVALID_REQUEST,
          "Expected a video (MP4, MOV, WebM) at %s, but there is no file".formatted(file));
    }
    try {
      return new VideoFrames(file, MediaDecoder.open(file));
    } catch (LongtakeException e) {
      throw named(file, e);
    }
  }

  /** Pixels of a frame. */
  public int width() {
    return decoder.width();
  }

  /** Pixels of a frame. */
  public int height() {
    return decoder.height();
  }

  /**
   * The next frame.
   *
   * @return RGB, [height, width, 3]; null at the end
   * @throws LongtakeException INVALID_REQUEST naming the file, when it can't be decoded
   */
  public @Nullable ByteBuffer next() {
    try {
      return decoder.next();
    } catch (LongtakeException e) {
      throw named(file, e);
    }
  }

  private static LongtakeException named(Path file, LongtakeException problem) {
    return new LongtakeException(
        problem.code(), "%s: %s".formatted(file, problem.getMessage()), problem);
  }

  @Override
  public void close() {
    decoder.close();
  }
}
