package dev.longtake.coordinator.web.json;

import com.google.protobuf.ByteString;
import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Message;
import dev.longtake.coordinator.web.http.Calls;
import dev.longtake.coordinator.web.http.Exchange;
import dev.longtake.v1.TraceChunk;
import dev.longtake.v1.VideoChunk;
import io.grpc.MethodDescriptor;
import io.grpc.StatusException;
import io.grpc.stub.BlockingClientCall;
import java.io.IOException;
import java.io.OutputStream;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/** A stream of a file's pieces as the body of an answer. A piece is asked for when the client has taken the one before. */
final class FileAnswer {
  /** A failure comes before that, and then is the answer itself. */
  private static final long FIRST_WAIT_SECONDS = 1;

  private FileAnswer() {}

  /** Sends all pieces; a failure before the first one is the answer itself. */
  static <Q, A extends Message> void send(
      Exchange exchange, Calls calls, MethodDescriptor<Q, A> method, String type, Q request)
      throws Exception {
    BlockingClientCall<Q, A> call = calls.stream(exchange, method, request);
    try {
      A piece = null;
      boolean isLate = false;
      try {
        piece = call.read(FIRST_WAIT_SECONDS, TimeUnit.SECONDS);
      } catch (TimeoutException e) {
        // Nothing is wrong with the request; the video is still to be made.
        isLate = true;
      }
      OutputStream out = exchange.begin(200, type);
      if (!exchange.isHead()) {
        copy(isLate ? call.read() : piece, call, Long.MAX_VALUE, out);
      }
      out.close();
    } finally {
      call.cancel("The HTTP request has ended", null);
    }
  }

  /**
   * Writes pieces until there are none, or as many bytes as are wanted.
   *
   * @param first null for none
   */
  static <A extends Message> void copy(
      @Nullable A first, BlockingClientCall<?, A> call, long bytes, OutputStream out)
      throws IOException, InterruptedException, StatusException {
    long left = bytes;
    for (A piece = first; piece != null && left > 0; piece = left > 0 ? call.read() : null) {
      ByteString data = data(piece);
      int taken = (int) Math.min(left, data.size());
      data.substring(0, taken).writeTo(out);
      left -= taken;
    }
  }

  private static ByteString data(Message piece) {
    return (ByteString) piece.getField(piece.getDescriptorForType().findFieldByName("data"));
  }

  /** The media type of files whose pieces are of this kind. */
  static String type(Descriptor piece) {
    if (piece.equals(VideoChunk.getDescriptor())) {
      return "video/mp4";
    }
    return piece.equals(TraceChunk.getDescriptor())
        ? "application/json"
        : "application/octet-stream";
  }
}
