package dev.longtake.coordinator.web.json;

import dev.longtake.coordinator.web.http.ApiException;
import dev.longtake.coordinator.web.http.Calls;
import dev.longtake.coordinator.web.http.Exchange;
import dev.longtake.coordinator.web.http.Route;
import dev.longtake.v1.DownloadRequest;
import dev.longtake.v1.GenerationGrpc;
import dev.longtake.v1.GetJobRequest;
import dev.longtake.v1.Job;
import dev.longtake.v1.StreamRequest;
import dev.longtake.v1.TraceChunk;
import dev.longtake.v1.TraceRequest;
import dev.longtake.v1.VideoChunk;
import io.grpc.stub.BlockingClientCall;
import java.io.OutputStream;
import java.util.List;
import java.util.Optional;
import org.eclipse.jetty.http.HttpHeader;

/** What jobs leave behind, as files: videos, of which parts can be asked for, so that players can seek. */
public final class JobFiles {
  private final Calls calls;

  public JobFiles(Calls calls) {
    this.calls = calls;
  }

  public List<Route> routes() {
    return List.of(
        new Route("GET", "/api/jobs/{id}/video", exchange -> video(exchange, id(exchange))),
        new Route("GET", "/api/jobs/{id}/stream", this::stream),
        new Route("GET", "/api/jobs/{id}/trace", this::trace));
  }

  private static String id(Exchange exchange) {
    return exchange.variable("id");
  }

  private void stream(Exchange exchange) throws Exception {
    FileAnswer.send(
        exchange,
        calls,
        GenerationGrpc.getStreamMethod(),
        FileAnswer.type(VideoChunk.getDescriptor()),
        StreamRequest.newBuilder().setJobId(id(exchange)).build());
  }

  private void trace(Exchange exchange) throws Exception {
    FileAnswer.send(
        exchange,
        calls,
        GenerationGrpc.getTraceMethod(),
        FileAnswer.type(TraceChunk.getDescriptor()),
        TraceRequest.newBuilder().setJobId(id(exchange)).build());
  }

  private static Optional<ByteRange> part(Exchange exchange, String range, long size) {
    try {
      return ByteRange.parse(range, size);
    } catch (ApiException e) {
      exchange.answerHeaders().put(HttpHeader.CONTENT_RANGE, "bytes */" + size);
      throw e;
    }
  }

  /** Sends the video of a job that is done, or the part of it that is asked for. */
  public void video(Exchange exchange, String id) throws Exception {
    Job job =
        calls.call(
            exchange,
            GenerationGrpc.getGetMethod(),
            GetJobRequest.newBuilder().setJobId(id).build());
    long size = job.getVideo().getSizeBytes();
    String tag = "\"" + job.getVideo().getSha256() + "\"";
    if (job.hasVideo() && exchange.header(HttpHeader.IF_NONE_MATCH).equals(Optional.of(tag))) {
      exchange.answer(304);
      return;
    }
    boolean isOfAnother =
        exchange.header(HttpHeader.IF_RANGE).filter(other -> !other.equals(tag)).isPresent();
    Optional<ByteRange> part =
        job.hasVideo() && !isOfAnother
            ? exchange.header(HttpHeader.RANGE).flatMap(range -> part(exchange, range, size))
            : Optional.empty();
    ByteRange range = part.orElse(new ByteRange(0, size));
    BlockingClientCall<DownloadRequest, VideoChunk> call =
        calls.stream(
            exchange,
            GenerationGrpc.getDownloadMethod(),
            DownloadRequest.newBuilder().setJobId(id).setOffset(range.start()).build());
    try {
      // It fails where there is no video.
      VideoChunk first = call.read();
      var headers = exchange.answerHeaders();
      headers.put(HttpHeader.CACHE_CONTROL, "private, no-cache");
      headers.put(HttpHeader.ACCEPT_RANGES, "bytes");
      headers.put(HttpHeader.ETAG, tag);
      headers.put(HttpHeader.CONTENT_LENGTH, range.size());
      headers.put(
          HttpHeader.CONTENT_DISPOSITION, "inline; filename=\"%s.mp4\"".formatted(job.getId()));
      if (part.isPresent()) {
        headers.put(
            HttpHeader.CONTENT_RANGE,
            "bytes %d-%d/%d".formatted(range.start(), range.end() - 1, size));
      }
      OutputStream out =
          exchange.begin(part.isPresent() ? 206 : 200, FileAnswer.type(VideoChunk.getDescriptor()));
      if (!exchange.isHead()) {
        FileAnswer.copy(first, call, range.size(), out);
      }
      out.close();
    } finally {
      call.cancel("The HTTP request has ended", null);
    }
  }
}
