package dev.longtake.client;

import dev.longtake.v1.TraceChunk;
import io.grpc.Context;
import io.grpc.StatusRuntimeException;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Iterator;

/** One trace's way into a file. A trace is small beside its video: after a broken connection it is fetched from the start. */
final class TraceDownload {
  private final LongtakeClient client;
  private final String jobId;
  private final PartFile part;
  private final Reconnection reconnection;

  TraceDownload(LongtakeClient client, String jobId, Path target, Duration timeout) {
    this.client = client;
    this.jobId = jobId;
    this.part = new PartFile(target, jobId);
    this.reconnection = new Reconnection(client, timeout);
  }

  void run() {
    try {
      try {
        while (!receive()) {
          // The next stream begins anew; how often is bounded by the reconnection.
        }
        part.moveIntoPlace();
      } finally {
        Files.deleteIfExists(part.path());
      }
    } catch (IOException e) {
      throw part.cannotWrite(e);
    }
  }

  /** One stream; false when the connection was lost. */
  private boolean receive() throws IOException {
    Context.CancellableContext context = Context.current().withCancellation();
    try (OutputStream output = Files.newOutputStream(part.path())) {
      Iterator<TraceChunk> chunks = client.openTrace(context, jobId, reconnection);
      long offset = 0;
      while (chunks.hasNext()) {
        TraceChunk chunk = chunks.next();
        if (chunk.getOffset() != offset) {
          throw new LongtakeClientException(
              LongtakeClientException.CHECKSUM_MISMATCH,
              "Expected the trace of job %s from %s in order, but after byte %d came byte %d; fetch it again"
                  .formatted(jobId, client.address(), offset, chunk.getOffset()));
        }
        chunk.getData().writeTo(output);
        offset += chunk.getData().size();
      }
      return true;
    } catch (StatusRuntimeException e) {
      reconnection.pauseOrThrow(e);
      return false;
    } finally {
      context.cancel(null);
    }
  }
}
