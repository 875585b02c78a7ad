package dev.longtake.coordinator.api;

import com.google.protobuf.ByteString;
import dev.longtake.common.error.ErrorCode;
import dev.longtake.common.error.LongtakeException;
import dev.longtake.coordinator.jobs.JobEntry;
import dev.longtake.v1.VideoChunk;
import io.grpc.stub.ServerCallStreamObserver;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.Executor;
import org.jspecify.annotations.Nullable;

/**
 * One client that receives a job's video while it is made: a cursor into the stream's file, which moves while the transport takes more and
 * segments are done. A client that doesn't read keeps its cursor and an open file, and nobody waits for it.
 */
final class GrowingStream {
  private final JobEntry job;
  private final Path path;
  private final ServerCallStreamObserver<VideoChunk> out;
  private final SerialRuns moves;

  // Only touched by the one who moves the cursor.
  private long offset;
  private boolean completed;
  private @Nullable FileChannel file;

  private GrowingStream(
      JobEntry job,
      Path path,
      long offset,
      ServerCallStreamObserver<VideoChunk> out,
      Executor executor) {
    this.job = job;
    this.path = path;
    this.offset = offset;
    this.out = out;
    this.moves = new SerialRuns(this::send, executor);
  }

  /**
   * Sends the stream from {@code offset} on, segments to come included, until the job has ended.
   *
   * @param path of the stream, which need not be there yet
   * @param executor moves the cursor when a segment is done
   * @throws LongtakeException INVALID_REQUEST unless the offset is within 0 and what is there
   */
  static void start(
      JobEntry job,
      Path path,
      long offset,
      ServerCallStreamObserver<VideoChunk> out,
      Executor executor) {
    long size = job.streamBytes();
    if (offset < 0 || offset > size) {
      throw LongtakeException.invalidField(
          "offset", "Expected an offset of 0 to %d, but got %d".formatted(size, offset));
    }
    GrowingStream stream = new GrowingStream(job, path, offset, out, executor);
    JobEntry.Subscription subscription = job.subscribe(stream.moves::wish);
    Runnable onEnd =
        () -> {
          subscription.close();
          // Whoever moves the cursor closes the file.
          stream.moves.run();
        };
    out.setOnCancelHandler(onEnd);
    out.setOnCloseHandler(onEnd);
    out.setOnReadyHandler(stream.moves::run);
    stream.moves.run();
  }

  private void send() {
    try {
      while (!completed && !out.isCancelled() && out.isReady()) {
        boolean isLast = job.isComplete();
        long size = job.streamBytes();
        if (offset < size) {
          ByteString data = FileStream.read(open(), offset, size);
          out.onNext(VideoChunk.newBuilder().setOffset(offset).setData(data).build());
          offset += data.size();
        } else if (isLast) {
          completed = true;
          out.onCompleted();
        } else if (job.isClosed()) {
          completed = true;
          out.onError(EventStream.stopping());
        } else {
          return;
        }
      }
    } catch (IOException e) {
      completed = true;
      out.onError(
          new LongtakeException(
              ErrorCode.NO_SUCH_JOB,
              "Expected the segments of job %s, but they can't be read: %s; submit the job again"
                  .formatted(job.id(), e),
              e));
    } finally {
      if (file != null && (completed || out.isCancelled())) {
        FileStream.close(file);
        file = null;
      }
    }
  }

  private FileChannel open() throws IOException {
    FileChannel opened = file;
    if (opened == null) {
      opened = FileChannel.open(path, StandardOpenOption.READ);
      file = opened;
    }
    return opened;
  }
}
