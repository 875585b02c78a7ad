package dev.longtake.coordinator.api;

import com.google.protobuf.ByteString;
import com.google.protobuf.UnsafeByteOperations;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.v1.VideoChunk;
import io.grpc.stub.ServerCallStreamObserver;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** One download: reads the next chunk when the transport takes more. All calls come from gRPC, one at a time. */
final class VideoStream {
  /** Large enough to cost little per byte, small enough for many downloads at once. */
  private static final int CHUNK_BYTES = 1 << 20;

  private static final Logger log = LoggerFactory.getLogger(VideoStream.class);

  private final FileChannel file;
  private final long sizeBytes;
  private final ServerCallStreamObserver<VideoChunk> out;
  private long offset;
  private boolean completed;

  private VideoStream(
      FileChannel file, long sizeBytes, long offset, ServerCallStreamObserver<VideoChunk> out) {
    this.file = file;
    this.sizeBytes = sizeBytes;
    this.offset = offset;
    this.out = out;
  }

  /**
   * Sends the file from {@code offset} on.
   *
   * @throws LongtakeException INVALID_REQUEST unless the offset is within 0 and the size, NO_SUCH_JOB when the file is gone
   */
  static void start(Path path, long offset, ServerCallStreamObserver<VideoChunk> out) {
    FileChannel file;
    long sizeBytes;
    try {
      file = FileChannel.open(path, StandardOpenOption.READ);
    } catch (NoSuchFileException e) {
      throw new LongtakeException(
          ErrorCode.NO_SUCH_JOB,
          "Expected the job's video, but it was deleted; submit the job again",
          e);
    } catch (IOException e) {
      throw new LongtakeException(ErrorCode.INTERNAL, "Cannot open %s: %s".formatted(path, e), e);
    }
    try {
      sizeBytes = file.size();
      if (offset < 0 || offset > sizeBytes) {
        throw LongtakeException.invalidField(
            "offset", "Expected an offset of 0 to %d, but got %d".formatted(sizeBytes, offset));
      }
    } catch (IOException e) {
      close(file);
      throw new LongtakeException(ErrorCode.INTERNAL, "Cannot read %s: %s".formatted(path, e), e);
    } catch (LongtakeException e) {
      close(file);
      throw e;
    }
    VideoStream stream = new VideoStream(file, sizeBytes, offset, out);
    out.setOnCancelHandler(() -> close(file));
    out.setOnCloseHandler(() -> close(file));
    out.setOnReadyHandler(stream::send);
    stream.send();
  }

  private void send() {
    try {
      while (!completed && !out.isCancelled() && out.isReady()) {
        if (offset == sizeBytes) {
          completed = true;
          close(file);
          out.onCompleted();
          return;
        }
        ByteBuffer buffer = ByteBuffer.allocate((int) Math.min(CHUNK_BYTES, sizeBytes - offset));
        while (buffer.hasRemaining()) {
          if (file.read(buffer, offset + buffer.position()) < 0) {
            throw new IOException("ends before byte " + sizeBytes);
          }
        }
        // The buffer is never touched again, so the message may keep it.
        ByteString data = UnsafeByteOperations.unsafeWrap(buffer.flip());
        out.onNext(VideoChunk.newBuilder().setOffset(offset).setData(data).build());
        offset += data.size();
      }
    } catch (IOException e) {
      completed = true;
      close(file);
      out.onError(new LongtakeException(ErrorCode.INTERNAL, "Cannot read the video: " + e, e));
    }
  }

  private static void close(FileChannel file) {
    try {
      file.close();
    } catch (IOException e) {
      log.warn("Cannot close a video: {}", e.toString());
    }
  }
}
