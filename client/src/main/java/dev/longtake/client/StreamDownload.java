package dev.longtake.client;

import dev.longtake.v1.VideoChunk;
import io.grpc.Context;
import io.grpc.StatusRuntimeException;
import java.io.IOException;
import java.io.OutputStream;
import java.time.Duration;
import java.util.Iterator;

/** A video on its way to whoever plays it while it is made; a broken stream goes on where it broke. */
final class StreamDownload {
  private final LongtakeClient client;
  private final String jobId;
  private final OutputStream target;
  private final Reconnection reconnection;
  private long offset;

  StreamDownload(LongtakeClient client, String jobId, OutputStream target, Duration timeout) {
    this.client = client;
    this.jobId = jobId;
    this.target = target;
    this.reconnection = new Reconnection(client, timeout);
  }

  /** Blocks until the job has ended; returns the bytes that came. */
  long run() {
    Context.CancellableContext context = Context.current().withCancellation();
    try {
      while (!receive(context)) {
        // Again, from where it broke.
      }
      return offset;
    } finally {
      context.cancel(null);
    }
  }

  /** One stream; returns whether it came to its end. */
  private boolean receive(Context.CancellableContext context) {
    try {
      Iterator<VideoChunk> chunks = client.openStream(context, jobId, offset, reconnection);
      while (chunks.hasNext()) {
        VideoChunk chunk = chunks.next();
        if (chunk.getOffset() != offset) {
          throw new LongtakeClientException(
              LongtakeClientException.INTERNAL,
              "Expected byte %d of the stream of job %s, but got byte %d"
                  .formatted(offset, jobId, chunk.getOffset()));
        }
        chunk.getData().writeTo(target);
        target.flush();
        offset += chunk.getData().size();
        reconnection.succeeded();
      }
      return true;
    } catch (StatusRuntimeException e) {
      reconnection.pauseOrThrow(e);
      return false;
    } catch (IOException e) {
      throw new LongtakeClientException(
          LongtakeClientException.LOCAL_FILE,
          null,
          "Cannot write what the stream of job %s brings: %s".formatted(jobId, e.getMessage()),
          e);
    }
  }
}
