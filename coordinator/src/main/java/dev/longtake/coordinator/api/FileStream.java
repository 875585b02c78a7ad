package dev.longtake.coordinator.api;

import com.google.protobuf.ByteString;
import com.google.protobuf.UnsafeByteOperations;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import io.grpc.stub.ServerCallStreamObserver;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One download of a file: reads the next chunk when the transport takes more. All calls come from gRPC, one at a time.
 *
 * @param <C> the message of one chunk
 */
final class FileStream<C> {
  /** Large enough to cost little per byte, small enough for many downloads at once. */
  private static final int CHUNK_BYTES = 1 << 20;

  private static final Logger log = LoggerFactory.getLogger(FileStream.class);

  private final FileChannel file;
  private final long sizeBytes;
  private final ChunkFactory<C> chunk;
  private final ServerCallStreamObserver<C> out;
  private long offset;
  private boolean completed;

  /** Makes the message of one chunk. */
  interface ChunkFactory<C> {
    C make(long offset, ByteString data);
  }

  private FileStream(
      FileChannel file,
      long sizeBytes,
      long offset,
      ChunkFactory<C> chunk,
      ServerCallStreamObserver<C> out) {
    this.file = file;
    this.sizeBytes = sizeBytes;
    this.offset = offset;
    this.chunk = chunk;
    this.out = out;
  }

  /**
   * Sends the file from {@code offset} on.
   *
   * @param what the file is, for errors: {@code "video"}
   * @throws LongtakeException INVALID_REQUEST unless the offset is within 0 and the size, NO_SUCH_JOB when the file is gone
   */
  static <C> void start(
      Path path, String what, long offset, ChunkFactory<C> chunk, ServerCallStreamObserver<C> out) {
    FileChannel file;
    long sizeBytes;
    try {
      file = FileChannel.open(path, StandardOpenOption.READ);
    } catch (NoSuchFileException e) {
      throw new LongtakeException(
          ErrorCode.NO_SUCH_JOB,
          "Expected the job's %s, but it was deleted; submit the job again".formatted(what),
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
    FileStream<C> stream = new FileStream<>(file, sizeBytes, offset, chunk, out);
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
        ByteString data = read(file, offset, sizeBytes);
        out.onNext(chunk.make(offset, data));
        offset += data.size();
      }
    } catch (IOException e) {
      completed = true;
      close(file);
      out.onError(new LongtakeException(ErrorCode.INTERNAL, "Cannot read the file: " + e, e));
    }
  }

  /** The bytes from {@code offset} on, as many as fit into a message, no more than up to {@code end}. */
  static ByteString read(FileChannel file, long offset, long end) throws IOException {
    ByteBuffer buffer = ByteBuffer.allocate((int) Math.min(CHUNK_BYTES, end - offset));
    while (buffer.hasRemaining()) {
      if (file.read(buffer, offset + buffer.position()) < 0) {
        throw new IOException("ends before byte " + end);
      }
    }
    // The buffer is never touched again, so the message may keep it.
    return UnsafeByteOperations.unsafeWrap(buffer.flip());
  }

  static void close(FileChannel file) {
    try {
      file.close();
    } catch (IOException e) {
      log.warn("Cannot close a file: {}", e.toString());
    }
  }
}
