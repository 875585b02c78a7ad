package dev.longtake.coordinator;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.coordinator.trace.TraceFiles;
import dev.longtake.coordinator.video.FrameSpool;
import dev.longtake.coordinator.video.MediaReader;
import dev.longtake.coordinator.video.SeamlessMp4;
import dev.longtake.coordinator.video.SegmentWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.jspecify.annotations.Nullable;

/**
 * The coordinator's folder: {@code jobs.db}, {@code jobs/}, {@code videos/}, {@code traces/}, {@code spool/}, {@code embeddings/} if
 * wanted, and a lock, because two coordinators would delete each other's files under way. What a killed coordinator was writing is removed
 * when it is opened.
 */
final class DataFolder implements AutoCloseable {
  private final Path folder;
  private final FileChannel lock;

  private DataFolder(Path folder, FileChannel lock) {
    this.folder = folder;
    this.lock = lock;
  }

  /**
   * @throws LongtakeException WRONG_STATE when another coordinator uses the folder, INVALID_REQUEST when it can't be used
   */
  static DataFolder open(Path folder) {
    try {
      DataFolder data = new DataFolder(folder, lock(folder));
      try {
        Files.createDirectories(data.videos());
        Files.createDirectories(data.jobs());
        Files.createDirectories(data.traces());
        Files.createDirectories(data.spool());
        deleteAll(data.videos(), "*" + SeamlessMp4.PART_SUFFIX);
        deleteAll(data.traces(), "*" + TraceFiles.PART_SUFFIX);
        deleteAll(data.spool(), "*" + FrameSpool.SUFFIX);
        deleteAll(data.spool(), "*" + SegmentWriter.SUFFIX);
        deleteAll(data.spool(), "*" + MediaReader.SUFFIX);
        return data;
      } catch (IOException e) {
        data.close();
        throw e;
      }
    } catch (IOException e) {
      throw LongtakeException.invalidField(
          "data",
          "Expected --data to be a folder that can be written, but got %s: %s"
              .formatted(folder, e));
    }
  }

  private static FileChannel lock(Path folder) throws IOException {
    Files.createDirectories(folder);
    FileChannel channel =
        FileChannel.open(
            folder.resolve("lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
    @Nullable FileLock held;
    try {
      held = channel.tryLock();
    } catch (OverlappingFileLockException e) {
      held = null;
    }
    if (held == null) {
      channel.close();
      throw new LongtakeException(
          ErrorCode.WRONG_STATE,
          "Expected --data %s to be this coordinator's own, but another one uses it; choose another folder"
              .formatted(folder));
    }
    return channel;
  }

  private static void deleteAll(Path folder, String pattern) throws IOException {
    try (DirectoryStream<Path> files = Files.newDirectoryStream(folder, pattern)) {
      for (Path file : files) {
        Files.deleteIfExists(file);
      }
    }
  }

  /** A folder for each job that has not ended. */
  Path jobs() {
    return folder.resolve("jobs");
  }

  /** Where jobs are stored, unless another database is. */
  Path database() {
    return folder.resolve("jobs.db");
  }

  Path videos() {
    return folder.resolve("videos");
  }

  Path traces() {
    return folder.resolve("traces");
  }

  /** Made when it is needed. */
  Path embeddings() {
    return folder.resolve("embeddings");
  }

  Path spool() {
    return folder.resolve("spool");
  }

  /** Gives the lock back. */
  @Override
  public void close() {
    try {
      lock.close();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
