package dev.longtake.coordinator;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.coordinator.files.PartFile;
import dev.longtake.coordinator.video.FrameSpool;
import dev.longtake.coordinator.video.MediaReader;
import dev.longtake.coordinator.video.SegmentWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.jspecify.annotations.Nullable;

/**
 * The coordinator's folder: {@code jobs.db}, {@code jobs/}, {@code videos/}, {@code traces/}, {@code spool/}, {@code embeddings/} if
 * wanted, and a lock: it is one coordinator's own, unless it is shared by several of which one leads.
 */
final class DataFolder implements AutoCloseable {
  private final Path folder;
  private final FileChannel lock;

  private DataFolder(Path folder, FileChannel lock) {
    this.folder = folder;
    this.lock = lock;
  }

  /**
   * @param isShared whether other coordinators that share it, too, may use the folder
   * @throws LongtakeException WRONG_STATE when another coordinator uses the folder, INVALID_REQUEST when it can't be used
   */
  static DataFolder open(Path folder, boolean isShared) {
    try {
      DataFolder data = new DataFolder(folder, lock(folder, isShared));
      try {
        Files.createDirectories(data.videos());
        Files.createDirectories(data.jobs());
        Files.createDirectories(data.traces());
        Files.createDirectories(data.spool());
        return data;
      } catch (IOException e) {
        data.close();
        throw e;
      }
    } catch (IOException e) {
      throw unusable(folder, e);
    }
  }

  /**
   * Removes what a killed coordinator was writing, and one that does not know yet that it was replaced; whoever leads calls it first.
   *
   * @throws LongtakeException INVALID_REQUEST when the folder can't be used
   */
  void deleteUnfinished() {
    try {
      PartFile.deleteAll(videos());
      PartFile.deleteAll(traces());
      PartFile.deleteAll(spool());
      PartFile.deleteAll(spool(), FrameSpool.SUFFIX);
      PartFile.deleteAll(spool(), SegmentWriter.SUFFIX);
      PartFile.deleteAll(spool(), MediaReader.SUFFIX);
    } catch (IOException e) {
      throw unusable(folder, e);
    }
  }

  private static LongtakeException unusable(Path folder, IOException e) {
    return LongtakeException.invalidField(
        "data",
        "Expected --data to be a folder that can be written, but got %s: %s".formatted(folder, e));
  }

  private static FileChannel lock(Path folder, boolean isShared) throws IOException {
    Files.createDirectories(folder);
    FileChannel channel =
        FileChannel.open(
            folder.resolve("lock"),
            StandardOpenOption.CREATE,
            StandardOpenOption.READ,
            StandardOpenOption.WRITE);
    @Nullable FileLock held;
    try {
      held = channel.tryLock(0, Long.MAX_VALUE, isShared);
    } catch (OverlappingFileLockException e) {
      held = null;
    }
    if (held == null) {
      channel.close();
      throw new LongtakeException(
          ErrorCode.WRONG_STATE,
          "Expected --data %s to be this coordinator's own, but another one uses it; choose another folder%s"
              .formatted(folder, isShared ? "" : ", or let both use one PostgreSQL (--database)"));
    }
    return channel;
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
