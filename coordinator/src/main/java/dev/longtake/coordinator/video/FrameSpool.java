package dev.longtake.coordinator.video;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.BitSet;

/**
 * Frames in a temporary file, each at the place of its index, so that workers may deliver them in any order while memory
 * holds none of them. Writing is thread-safe. Whoever opened the spool closes it, which deletes the file.
 */
public final class FrameSpool implements AutoCloseable {
  /** Suffix of the files, so that left-overs of a killed process can be recognised. */
  public static final String SUFFIX = ".frames";

  private final Path file;
  private final FileChannel channel;
  private final int frames;
  private final int frameBytes;
  private final BitSet present; // guarded by itself

  private FrameSpool(Path file, FileChannel channel, int frames, int frameBytes) {
    this.file = file;
    this.channel = channel;
    this.frames = frames;
    this.frameBytes = frameBytes;
    this.present = new BitSet(frames);
  }

  /**
   * Makes the temporary file.
   *
   * @param frames how many frames the clip has
   * @param frameBytes of each frame
   * @throws LongtakeException STORAGE_UNAVAILABLE when the file can't be created
   */
  public static FrameSpool open(Path folder, String name, int frames, int frameBytes) {
    try {
      // Its own, whoever else has one for the same clip.
      Path file = Files.createTempFile(folder, name + "-", SUFFIX);
      FileChannel channel =
          FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE);
      return new FrameSpool(file, channel, frames, frameBytes);
    } catch (IOException e) {
      throw new LongtakeException(
          ErrorCode.STORAGE_UNAVAILABLE,
          "Expected room for decoded frames in %s, but no file can be made: %s"
              .formatted(folder, e),
          e);
    }
  }

  /**
   * Stores consecutive frames.
   *
   * @param rgb exactly {@code count} frames
   * @return how many frames of the clip are here now
   * @throws LongtakeException INTERNAL when the frames are outside the clip or came before, STORAGE_UNAVAILABLE when they don't fit on the disk
   */
  public int write(int firstFrame, int count, ByteBuffer rgb) {
    if (firstFrame < 0 || count < 1 || firstFrame > frames - count) {
      throw new LongtakeException(
          ErrorCode.INTERNAL,
          "Expected frames within 0 to %d, but got %d frames from %d"
              .formatted(frames - 1, count, firstFrame));
    }
    if (rgb.remaining() != (long) count * frameBytes) {
      throw new LongtakeException(
          ErrorCode.INTERNAL,
          "Expected %d bytes for %d frames, but got %d"
              .formatted((long) count * frameBytes, count, rgb.remaining()));
    }
    synchronized (present) {
      int next = present.nextSetBit(firstFrame);
      if (next >= 0 && next < firstFrame + count) {
        throw new LongtakeException(
            ErrorCode.INTERNAL,
            "Expected every frame once, but frame %d came twice".formatted(next));
      }
      try {
        long position = (long) firstFrame * frameBytes;
        ByteBuffer source = rgb.duplicate();
        while (source.hasRemaining()) {
          position += channel.write(source, position);
        }
      } catch (IOException e) {
        throw new LongtakeException(
            ErrorCode.STORAGE_UNAVAILABLE,
            "Expected room for decoded frames in %s, but it can't be written: %s"
                .formatted(file, e),
            e);
      }
      present.set(firstFrame, firstFrame + count);
      return present.cardinality();
    }
  }

  /**
   * Checks that nothing is missing.
   *
   * @throws LongtakeException INTERNAL unless every frame is here
   */
  public void requireComplete() {
    synchronized (present) {
      int missing = present.nextClearBit(0);
      if (missing < frames) {
        throw new LongtakeException(
            ErrorCode.INTERNAL,
            "Expected %d decoded frames, but got %d; the first missing one is %d"
                .formatted(frames, present.cardinality(), missing));
      }
    }
  }

  /**
   * Reads one frame into {@code target}, which has room for exactly one.
   *
   * @throws LongtakeException INTERNAL when the file can't be read
   */
  public void read(int frame, ByteBuffer target) {
    try {
      long position = (long) frame * frameBytes;
      while (target.hasRemaining()) {
        int count = channel.read(target, position);
        if (count < 0) {
          throw new IOException("ends at byte " + position);
        }
        position += count;
      }
    } catch (IOException e) {
      throw new LongtakeException(
          ErrorCode.INTERNAL, "Cannot read frame %d of %s: %s".formatted(frame, file, e), e);
    }
  }

  /** Frames of the clip. */
  public int frames() {
    return frames;
  }

  @Override
  public void close() {
    try {
      channel.close();
      Files.deleteIfExists(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
