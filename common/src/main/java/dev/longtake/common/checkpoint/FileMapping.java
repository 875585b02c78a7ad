package dev.longtake.common.checkpoint;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.common.error.Quoted;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * Maps parts of files. Each part is opened and mapped by itself, so that the pages that somebody read count as resident
 * only until that reader's arena closes, and an interrupted thread leaves no closed channel behind for the others.
 */
final class FileMapping {
  private FileMapping() {}

  /** Complains when there is no file at the path, naming what should be there. */
  static void requireFile(Path file, String kind) {
    if (!Files.isRegularFile(file)) {
      throw new LongtakeException(
          ErrorCode.INVALID_CHECKPOINT,
          "Expected a %s at %s, but there is %s; check the path"
              .formatted(kind, file, Files.isDirectory(file) ? "a folder" : "none"));
    }
  }

  /** The whole file. Pages that nobody touches are never read. */
  static MemorySegment mapAll(Path file, Arena arena) {
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
      return channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
    } catch (IOException e) {
      throw unreadable(file.toString(), e);
    }
  }

  /**
   * One tensor's bytes.
   *
   * @param offsetBytes from the start of the file
   */
  static MemorySegment map(
      Path file, String tensor, long offsetBytes, long sizeBytes, Arena arena) {
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
      if (offsetBytes + sizeBytes > channel.size()) {
        throw new LongtakeException(
            ErrorCode.INVALID_CHECKPOINT,
            "Expected tensor %s to end at byte %d of %s, but the file has become shorter: %d bytes; restore it and start again"
                .formatted(Quoted.of(tensor), offsetBytes + sizeBytes, file, channel.size()));
      }
      return channel.map(FileChannel.MapMode.READ_ONLY, offsetBytes, sizeBytes, arena);
    } catch (IOException e) {
      throw unreadable("tensor " + Quoted.of(tensor) + " of " + file, e);
    }
  }

  static LongtakeException unreadable(String what, IOException e) {
    if (e instanceof ClosedByInterruptException) {
      return new LongtakeException(
          ErrorCode.CANCELED, "The reading of " + what + " was interrupted", e);
    }
    return new LongtakeException(
        ErrorCode.INVALID_CHECKPOINT,
        "Expected to read " + what + ", but the system says: " + Quoted.line(e.toString()),
        e);
  }
}
