package dev.longtake.client;

import dev.longtake.v1.Job;
import dev.longtake.v1.JobState;
import dev.longtake.v1.Video;
import dev.longtake.v1.VideoChunk;
import io.grpc.Context;
import io.grpc.StatusRuntimeException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.HexFormat;
import java.util.Iterator;

/** One video's way into a file: into a part file first, resumed where it broke, checked, then moved into place. */
final class Download {
  private final LongtakeClient client;
  private final Job job;
  private final PartFile partFile;
  private final Path part;
  private final Reconnection reconnection;
  private final MessageDigest digest;
  private long offset;

  Download(LongtakeClient client, Job job, Path target, Duration timeout) {
    this.client = client;
    this.job = job;
    this.partFile = new PartFile(target, job.getId());
    this.part = partFile.path();
    this.reconnection = new Reconnection(client, timeout);
    this.digest = sha256();
  }

  void run() {
    if (job.getState() != JobState.JOB_STATE_DONE) {
      throw new LongtakeClientException(
          LongtakeClientException.WRONG_STATE,
          "Expected job %s to be done, but it is %s; only a finished job has a video"
              .formatted(job.getId(), job.getState().name().substring("JOB_STATE_".length())));
    }
    Video video = job.getVideo();
    try {
      digestPart(video.getSizeBytes());
      try (OutputStream output =
          Files.newOutputStream(part, StandardOpenOption.CREATE, StandardOpenOption.APPEND)) {
        while (offset < video.getSizeBytes()) {
          receive(output, video.getSizeBytes());
        }
      }
      check(video);
      partFile.moveIntoPlace();
    } catch (IOException e) {
      throw partFile.cannotWrite(e);
    }
  }

  /** Takes over what an earlier, broken download of this job left. */
  private void digestPart(long sizeBytes) throws IOException {
    if (!Files.exists(part)) {
      return;
    }
    if (Files.size(part) > sizeBytes) {
      Files.delete(part);
      return;
    }
    byte[] buffer = new byte[64 << 10];
    try (InputStream input = Files.newInputStream(part)) {
      for (int read = input.read(buffer); read >= 0; read = input.read(buffer)) {
        digest.update(buffer, 0, read);
        offset += read;
      }
    }
  }

  /** One stream, until the video is complete or the connection is lost. */
  private void receive(OutputStream output, long sizeBytes) throws IOException {
    Context.CancellableContext context = Context.current().withCancellation();
    try {
      Iterator<VideoChunk> chunks = client.openVideo(context, job.getId(), offset, reconnection);
      while (chunks.hasNext()) {
        VideoChunk chunk = chunks.next();
        if (chunk.getOffset() != offset || offset + chunk.getData().size() > sizeBytes) {
          throw mismatch(
              "a chunk of %d bytes at offset %d, but the next byte is %d of %d"
                  .formatted(chunk.getData().size(), chunk.getOffset(), offset, sizeBytes));
        }
        chunk.getData().writeTo(output);
        digest.update(chunk.getData().asReadOnlyByteBuffer());
        offset += chunk.getData().size();
        reconnection.succeeded();
      }
      if (offset < sizeBytes) {
        throw mismatch("an end after %d of %d bytes".formatted(offset, sizeBytes));
      }
    } catch (StatusRuntimeException e) {
      reconnection.pauseOrThrow(e);
    } finally {
      context.cancel(null);
    }
  }

  private void check(Video video) throws IOException {
    String actual = HexFormat.of().formatHex(digest.digest());
    if (!actual.equalsIgnoreCase(video.getSha256())) {
      // What is on disk is wrong somewhere: the next call must not build on it.
      Files.delete(part);
      throw mismatch("SHA-256 %s instead of %s".formatted(actual, video.getSha256()));
    }
  }

  private LongtakeClientException mismatch(String found) {
    return new LongtakeClientException(
        LongtakeClientException.CHECKSUM_MISMATCH,
        "Expected the video of job %s from %s as recorded, but got %s; download it again"
            .formatted(job.getId(), client.address(), found));
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("Every Java platform has SHA-256", e);
    }
  }
}
