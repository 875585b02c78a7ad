package dev.longtake.coordinator.video;

import dev.longtake.common.digest.Sha256;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.function.BooleanSupplier;

/**
 * A video that grows segment by segment, as one fragmented MP4 (ISO/IEC 14496-12, 8.8) that plays while it grows: the header once, then
 * the fragments of every segment. What was appended never changes. Used by one thread.
 */
public final class VideoStream {
  private static final int COPY_BYTES = 1 << 16;
  private static final int BOX_HEADER_BYTES = 8;
  private static final int LARGE_BOX_HEADER_BYTES = 16;

  private final Path file;

  /**
   * A stream in a file, which need not be there yet.
   */
  public VideoStream(Path file) {
    this.file = file;
  }

  /**
   * A segment that was appended.
   *
   * @param sizeBytes of its fragments, without the header
   * @param streamBytes of the stream up to its end
   * @param sha256 of its fragments, hexadecimal
   */
  public record Segment(long sizeBytes, long streamBytes, String sha256) {}

  /**
   * Appends a segment; returns when it is on the disk.
   *
   * @param streamBytes where it goes: the stream's length up to the end of the segment before. What is behind that, as a killed process may
   *     leave it, is written over, not cut off: whoever is late, and does not know that another process goes on, takes nothing from it
   * @param segment as {@link SegmentWriter} finished it
   * @throws LongtakeException CHECKSUM_MISMATCH when the stream is shorter, STORAGE_UNAVAILABLE when it can't be written
   */
  public Segment append(long streamBytes, Path segment) {
    try (FileChannel in = FileChannel.open(segment, StandardOpenOption.READ);
        FileChannel out =
            FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
      if (out.size() < streamBytes) {
        throw new LongtakeException(
            ErrorCode.CHECKSUM_MISMATCH,
            "Expected %d bytes of finished segments in %s, but it has %d; submit the job again"
                .formatted(streamBytes, file, out.size()));
      }
      out.position(streamBytes);
      long fragments = fragmentsStart(in);
      MessageDigest digest = Sha256.start();
      if (streamBytes == 0) {
        copy(in, 0, fragments, out, Sha256.start());
      }
      copy(in, fragments, in.size(), out, digest);
      out.force(/* metaData= */ true);
      return new Segment(
          in.size() - fragments, out.position(), HexFormat.of().formatHex(digest.digest()));
    } catch (IOException e) {
      throw new LongtakeException(
          ErrorCode.STORAGE_UNAVAILABLE,
          "Expected room for the next segment in %s, but it can't be written: %s"
              .formatted(file, e),
          e);
    }
  }

  /**
   * Cuts off what is behind the last segment.
   *
   * @throws LongtakeException STORAGE_UNAVAILABLE when it can't be
   */
  public void seal(long streamBytes) {
    try (FileChannel out = FileChannel.open(file, StandardOpenOption.WRITE)) {
      out.truncate(streamBytes);
    } catch (IOException e) {
      throw new LongtakeException(
          ErrorCode.STORAGE_UNAVAILABLE,
          "Expected to close the stream %s, but it can't be: %s".formatted(file, e),
          e);
    }
  }

  /**
   * Makes one MP4 of a sealed stream.
   *
   * @param goOn asked between pictures
   * @throws LongtakeException as {@link SeamlessMp4#write}
   */
  public VideoFile toMp4(Path target, BooleanSupplier goOn) {
    return SeamlessMp4.write(file, target, goOn);
  }

  /** Behind the boxes {@code ftyp} and {@code moov}. */
  private static long fragmentsStart(FileChannel in) throws IOException {
    ByteBuffer header = ByteBuffer.allocate(LARGE_BOX_HEADER_BYTES);
    long position = 0;
    while (true) {
      header.clear();
      while (header.hasRemaining() && in.read(header, position + header.position()) >= 0) {
        // Until the header is whole or the file ends.
      }
      if (header.flip().remaining() < BOX_HEADER_BYTES) {
        throw new EOFException("a segment without fragments");
      }
      String type = new String(header.array(), 4, 4, StandardCharsets.ISO_8859_1);
      if (type.equals("moof")) {
        return position;
      }
      long size = Integer.toUnsignedLong(header.getInt(0));
      if (size == 1 && header.remaining() == LARGE_BOX_HEADER_BYTES) {
        size = header.getLong(BOX_HEADER_BYTES);
      }
      if (size < BOX_HEADER_BYTES) {
        throw new IOException("a box %s of %d bytes in a segment".formatted(type, size));
      }
      position += size;
    }
  }

  private static void copy(
      FileChannel in, long start, long end, FileChannel out, MessageDigest digest)
      throws IOException {
    ByteBuffer buffer = ByteBuffer.allocate(COPY_BYTES);
    long position = start;
    while (position < end) {
      buffer.clear().limit((int) Math.min(COPY_BYTES, end - position));
      int count = in.read(buffer, position);
      if (count < 0) {
        throw new EOFException("a segment that became shorter");
      }
      position += count;
      digest.update(buffer.flip().duplicate());
      while (buffer.hasRemaining()) {
        out.write(buffer);
      }
    }
  }
}
