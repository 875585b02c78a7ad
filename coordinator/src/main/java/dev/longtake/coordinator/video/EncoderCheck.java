package dev.longtake.coordinator.video;

import dev.longtake.common.error.LongtakeException;
import dev.longtake.coordinator.files.PartFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;

/** One small picture, encoded and made an MP4 of: whether FFmpeg works here, before the first job's frames come. */
public final class EncoderCheck {
  private static final String NAME = "check";

  private EncoderCheck() {}

  /**
   * Makes and deletes it. The first time in a process takes about a second, for FFmpeg's libraries are loaded, which a job then need not wait
   * for.
   *
   * @param folder for temporary files
   * @throws LongtakeException INTERNAL or STORAGE_UNAVAILABLE when a video can't be written
   */
  public static void run(Path folder) {
    VideoFormat format = new VideoFormat(16, 16, 1, 1);
    // Names of its own, since others may check at the same time.
    Path stream = PartFile.of(folder.resolve(NAME + ".stream"));
    Path video = PartFile.of(folder.resolve(NAME + ".mp4"));
    try (SegmentWriter writer = SegmentWriter.create(folder, NAME, format, 0)) {
      writer.write(ByteBuffer.allocate(format.frameBytes()));
      new VideoStream(stream).append(0, writer.finish());
      SeamlessMp4.write(stream, video, () -> true);
    } finally {
      delete(stream);
      delete(video);
    }
  }

  private static void delete(Path file) {
    try {
      Files.deleteIfExists(file);
    } catch (IOException e) {
      throw new IllegalStateException("Cannot remove the temporary file " + file, e);
    }
  }
}
