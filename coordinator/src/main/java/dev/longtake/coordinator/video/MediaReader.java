package dev.longtake.coordinator.video;

import com.google.protobuf.ByteString;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.List;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Reads pictures and videos that clients send: PNG, JPEG, WebP, MP4, MOV, WebM. Thread-safe; few are read at once, since a picture of the
 * largest size takes half a gigabyte.
 */
public final class MediaReader {
  /** Suffix of temporary files, so that left-overs of a killed process can be recognised. */
  public static final String SUFFIX = ".media";

  private static final int MAX_AT_ONCE = 2;

  /** For a file; more than a minute of HD takes. */
  private static final Duration TIMEOUT = Duration.ofSeconds(60);

  private final Path folder;
  private final Semaphore permits = new Semaphore(MAX_AT_ONCE, /* fair= */ true);

  /**
   * @param folder for temporary files
   */
  public MediaReader(Path folder) {
    this.folder = folder;
  }

  /**
   * The last frames of a video, or the only one of a picture, scaled to cover the size and cropped around the middle.
   *
   * @param most frames that are wanted; fewer are returned when there are fewer
   * @return RGB, [height, width, 3] each
   * @throws LongtakeException INVALID_REQUEST when it can't be read, QUEUE_FULL when too many are read at the moment
   */
  public List<ByteBuffer> lastFrames(ByteString bytes, int width, int height, int most) {
    try {
      if (!permits.tryAcquire(TIMEOUT.toNanos(), TimeUnit.NANOSECONDS)) {
        throw new LongtakeException(
            ErrorCode.QUEUE_FULL,
            "Expected fewer pictures and videos to be read at once, but none of %d was done within %d s; submit again later"
                .formatted(MAX_AT_ONCE, TIMEOUT.toSeconds()));
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new LongtakeException(
          ErrorCode.CANCELED, "Interrupted while a picture or video waited to be read", e);
    }
    try {
      return read(bytes, width, height, most);
    } finally {
      permits.release();
    }
  }

  private List<ByteBuffer> read(ByteString bytes, int width, int height, int most) {
    Path file = null;
    try {
      file = Files.createTempFile(folder, "given-", SUFFIX);
      try (OutputStream out = Files.newOutputStream(file)) {
        bytes.writeTo(out);
      }
      ArrayDeque<ByteBuffer> last = new ArrayDeque<>();
      long deadline = System.nanoTime() + TIMEOUT.toNanos();
      try (MediaDecoder decoder = MediaDecoder.open(file, width, height)) {
        for (ByteBuffer frame = decoder.next(); frame != null; frame = decoder.next()) {
          if (last.size() == most) {
            last.removeFirst();
          }
          last.addLast(frame);
          if (System.nanoTime() - deadline > 0) {
            throw MediaDecoder.invalid(
                "it takes longer than %d s to read; cut it to its last seconds"
                    .formatted(TIMEOUT.toSeconds()));
          }
        }
      }
      if (last.isEmpty()) {
        throw MediaDecoder.invalid("it has no frames");
      }
      return List.copyOf(last);
    } catch (IOException e) {
      throw new LongtakeException(
          ErrorCode.STORAGE_UNAVAILABLE,
          "Expected room for a picture or video in %s, but it can't be written: %s"
              .formatted(folder, e),
          e);
    } finally {
      delete(file);
    }
  }

  private static void delete(@Nullable Path file) {
    try {
      if (file != null) {
        Files.deleteIfExists(file);
      }
    } catch (IOException e) {
      throw new LongtakeException(
          ErrorCode.INTERNAL, "Cannot remove the temporary file %s: %s".formatted(file, e), e);
    }
  }
}
