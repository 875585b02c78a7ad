package dev.longtake.coordinator.video;

import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.coordinator.files.PartFile;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/**
 * Writes RGB frames, in order, as an MP4 that browsers and phones play: H.264, yuv420p, index at the front. The same frames
 * give the same bytes.
 *
 * <p>The file appears under its name only when it is complete and on the disk; until then it is a {@link
 * PartFile}, and {@link #close} without {@link #finish} removes it. Not thread-safe.
 */
public final class Mp4Writer implements AutoCloseable {
  private static final int HASH_BUFFER_BYTES = 1 << 16;

  private final Path target;
  private final Path part;
  private final VideoFormat format;
  private final H264Encoder encoder;
  private int frames;
  private boolean finished;

  private Mp4Writer(Path target, Path part, VideoFormat format, H264Encoder encoder) {
    this.target = target;
    this.part = part;
    this.format = format;
    this.encoder = encoder;
  }

  /**
   * Opens the encoder and the temporary file.
   *
   * @throws LongtakeException INVALID_REQUEST when the size can't be encoded, INTERNAL when the file can't be written
   */
  public static Mp4Writer create(Path target, VideoFormat format) {
    format
        .problem()
        .ifPresent(problem -> {
          throw LongtakeException.invalidField("upscale", problem);
        });
    Path part = PartFile.of(target);
    return new Mp4Writer(target, part, format, H264Encoder.open(part, format));
  }

  /**
   * Encodes the next frame.
   *
   * @param rgb direct or not, [height, width, 3], position to limit being exactly one frame
   */
  public void write(ByteBuffer rgb) {
    if (finished || rgb.remaining() != format.frameBytes()) {
      throw new IllegalArgumentException(
          "Expected a frame of %d bytes before the end, but got %d bytes"
              .formatted(format.frameBytes(), rgb.remaining()));
    }
    encoder.encode(rgb.duplicate(), frames);
    frames++;
  }

  /**
   * Flushes the encoder, puts the index in front, forces the file to the disk and gives it its name.
   *
   * @throws LongtakeException INTERNAL when there was no frame or the disk refused
   */
  public VideoFile finish() {
    if (frames == 0) {
      throw new LongtakeException(ErrorCode.INTERNAL, "Expected at least one frame, but got none");
    }
    encoder.finish();
    encoder.close();
    try {
      String sha256 = sha256(part);
      long sizeBytes;
      try (FileChannel channel = FileChannel.open(part, StandardOpenOption.WRITE)) {
        channel.force(/* metaData= */ true);
        sizeBytes = channel.size();
      }
      Files.move(part, target, StandardCopyOption.ATOMIC_MOVE);
      finished = true;
      return new VideoFile(target, sizeBytes, sha256, frames);
    } catch (IOException e) {
      throw new LongtakeException(
          ErrorCode.INTERNAL, "Cannot write the video %s: %s".formatted(target, e), e);
    }
  }

  private static String sha256(Path file) throws IOException {
    MessageDigest digest;
    try {
      digest = MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("Every Java platform has SHA-256", e);
    }
    byte[] buffer = new byte[HASH_BUFFER_BYTES];
    try (InputStream in = Files.newInputStream(file)) {
      for (int count = in.read(buffer); count >= 0; count = in.read(buffer)) {
        digest.update(buffer, 0, count);
      }
    }
    return HexFormat.of().formatHex(digest.digest());
  }

  @Override
  public void close() {
    encoder.close();
    if (!finished) {
      try {
        Files.deleteIfExists(part);
      } catch (IOException e) {
        throw new LongtakeException(
            ErrorCode.INTERNAL, "Cannot remove the unfinished video %s: %s".formatted(part, e), e);
      }
    }
  }
}
